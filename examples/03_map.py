# Parallel maps: one step for every element of a list that is known only at run time, then one step over all the results.
import re
from collections import Counter
from dataclasses import dataclass

import anyio

from murakkab import each, flatten, step, workflow
from murakkab.runtime.messages import TaskSucceeded

BOOKS = {
    "moby": "Call me Ishmael. Some years ago I thought I would sail about a little.",
    "emma": "Emma was handsome, clever and rich. Emma had a happy home.",
    "alice": "Alice was beginning to get very tired. So Alice fell asleep.",
}


@dataclass
class Book:
    title: str
    sentences: list[str]


@step(effect="read", max_parallel=2)  # at most two of these at a time
async def read(title: str) -> Book:
    await anyio.sleep(0.05)  # as if it came from far away
    return Book(title, re.findall(r"[^.]+\.", BOOKS[title]))


@step(effect="pure")
def words(sentence: str) -> list[str]:
    return re.findall(r"\w+", sentence)


@step(effect="pure")
def commonest(words: list[list[str]], titles: list[str]) -> str:
    word, times = Counter(word for some in words for word in some).most_common(1)[0]
    return f"{word} stands {times} times in {', '.join(titles)}"


@workflow
def counting(titles: list[str]) -> str:
    """Find the commonest word of some books."""
    books = read.map(titles)
    sentences = flatten(each(books, lambda book: book.sentences))  # the sentences of all the books, as one list
    return commonest(words.map(sentences), each(books, lambda book: book.title))


if __name__ == "__main__":
    done = [event.task for event in counting.stream(["emma", "alice", "moby"]) if isinstance(event, TaskSucceeded)]
    print(f"{len(done)} tasks, the last was {done[-1]}")
    print(counting.run(["emma", "alice"]))

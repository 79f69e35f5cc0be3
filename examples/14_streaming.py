# A step that gives its result bit by bit: the steps that go over it begin with the first bit, while it still works on the next.
from collections.abc import AsyncIterator

import anyio

from murakkab import step, workflow
from murakkab.runtime.messages import TaskSucceeded, TaskYielded

heard = anyio.Event()


@step(effect="pure")
async def write(topic: str) -> AsyncIterator[str]:
    # A function stands in the place of the model here. It goes on only when somebody has heard the first line.
    yield f"Of {topic}."
    await heard.wait()
    yield "They are many."
    yield "The end."


@step(effect="pure")
async def say(line: str) -> str:
    heard.set()
    return line.upper()


@workflow
def reading(topic: str) -> list[str]:
    """Say every line as soon as it is written."""
    return say.map(write(topic))


if __name__ == "__main__":
    for event in reading.stream("fish"):
        if isinstance(event, TaskYielded | TaskSucceeded):
            print(type(event).__name__, event.task, event.value)

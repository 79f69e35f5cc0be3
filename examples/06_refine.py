# A loop that ends: two steps are done over and over until the result is good enough, and see what the round before gave.
from dataclasses import dataclass

from murakkab import Repeat, block, loop, result, step, workflow


@dataclass
class Review:
    score: float
    wish: str


@step(effect="pure")
def write(topic: str, before: str | None, wish: str | None) -> str:
    # A function stands in the place of the model here: it does what the critic wished for.
    return f"{before}, {wish}" if before else topic


@step(effect="pure")
def judge(text: str) -> Review:
    # And here in the place of a second one.
    missing = [word for word in ("whales", "ropes", "storms") if word not in text]
    return Review(1 - len(missing) / 3, f"and of {missing[0]}" if missing else "")


@workflow
def refine(topic: str) -> dict[str, object]:
    """Write until the critic is content, five times at most; a loop that never gets there fails, unless it says otherwise="last"."""
    with block(name="draft", repeat=Repeat(at_most=5, until=result.score >= 0.9)) as draft:
        text = write(topic, loop.last.text, loop.last.wish)
        review = judge(text)
        draft.outputs(text=text, score=review.score, wish=review.wish)
    return {"text": draft.text, "score": draft.score}


if __name__ == "__main__":
    job = refine.run_job("Of the sea")
    print(dict(job.outputs))
    print(*(row.task for row in job.tasks))

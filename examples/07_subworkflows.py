# Workflows inside of workflows: one from a file and one in Python are steps of a third; each is also run by itself.
from pathlib import Path

from murakkab import each, item, load_workflow, step, subworkflow, template, workflow

HERE = Path(__file__).parent
TEXTS = ["The rain fell. The cat slept.", "A ship came. It went away. Nobody saw it."]


@step(effect="pure")
def shout(text: str) -> str:
    return text.upper()


@workflow
def headline(text: str, mark: str = "!") -> str:
    """Make a headline."""
    return template("{}{}", shout(text), mark)


digest = load_workflow(HERE / "07_digest.yaml")


@workflow
def front_page(texts: list[str]) -> list[str]:
    """Make a headline of the digest of every text."""
    digests = subworkflow(digest).map(texts, text=item)
    return headline.map(each(digests, lambda one: one.text))


if __name__ == "__main__":
    print(headline.run("stop press"))
    print(load_workflow(HERE / "07_digests.yaml").run(texts=TEXTS))
    print(front_page.run(TEXTS))

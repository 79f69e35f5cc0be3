# Conditions: `with when(...)` runs steps only if something holds at run time; `first(...)` takes the branch that ran.
from dataclasses import dataclass

from murakkab import contains, first, size, step, template, when, workflow


@dataclass
class Ticket:
    text: str
    tags: list[str]
    urgency: int


@step(effect="pure")
def triage(text: str) -> Ticket:
    tags = [word.strip("#.,!") for word in text.split() if word.startswith("#")]
    return Ticket(text, tags, urgency=text.count("!"))


@step(effect="pure")
def page_somebody(message: str) -> str:
    return f"PAGED: {message}"


@step(effect="pure")
def queue(ticket: Ticket) -> str:
    return f"queued with {len(ticket.tags)} tags"


@step(effect="pure")
def note(text: str) -> str:
    return f"noted: {text}"


@workflow
def support(text: str) -> dict[str, str | None]:
    """Decide what happens to a ticket."""
    ticket = triage(text)
    urgent = (ticket.urgency >= 2) | contains(ticket.tags, "outage")
    with when(urgent):
        done = page_somebody(template("{n} times !: {text}", n=ticket.urgency, text=ticket.text))
    with when(~urgent):
        waits = queue(ticket)
    tagged = note.with_options(when=size(ticket.tags) > 0)("it has tags")
    return {"action": first(done, waits), "note": tagged}  # what was skipped is None


if __name__ == "__main__":
    for text in ("The site is down!! #web", "All is lost #outage", "A small wish"):
        print(support.run(text))
    print(support.definition.steps["queue"].when)

# A person decides, for every element of a map. The job ends its run and waits on disk: another process takes it up, days later.
#   python 09_approvals.py          begins a job         python 09_approvals.py JOB      answers and goes on
import sys
from typing import Annotated

from murakkab import approve, block, each, item, step, workflow


@step
async def draft(customer: str) -> str:
    print(f"  drafting the letter to {customer}")  # said once for each: what is done is not done again
    return f"Dear {customer}, please pay."


@step(effect="irreversible")
async def send(letter: str, amount: float) -> str:
    return f"{letter} {amount:.2f} EUR."


@workflow
def reminders(customers: list[str]) -> list[str]:
    """Remind customers, but only of what a person has agreed to."""
    with block(name="customer", for_each=customers, on_error="skip") as customer:
        letter = draft(item)
        form = {"amount": Annotated[float, "how much it is"]}
        answer = approve("To {}: {} Send it?", item, letter, form=form, name="ok")
        customer.outputs(sent=send(letter, answer.amount))
    return each(customer, lambda one: one.sent)


def main(*job: str) -> None:
    saved = reminders.options(durable=True)  # in the folder .murakkab
    if not job:
        begun = saved.run_job(["Ann", "Bob"])
        print(f"job {begun.job} is {begun.status}")
        for question in begun.failures:
            print(f"  {question.task}: {question.message}")
    else:
        ended = saved.resume_job(job[0], answers={"customer[0]/ok": {"amount": 12.5}, "customer[1]/ok": False}, by="Eve")
        print(ended.status, ended.outputs)


if __name__ == "__main__":
    main(*sys.argv[1:])

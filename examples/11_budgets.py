# A budget pauses a job instead of losing it: what was paid for is kept, and a larger budget lets it go on from there.
from murakkab import spend, step, workflow


@step(effect="read", max_parallel=1)
async def translate(text: str) -> str:
    spend(usd=0.4, tokens=1200)  # a function stands in the place of the model here, and says what it took
    return text[::-1]


@workflow(budget={"cost": 1.0, "tokens": 100_000})  # dollars, tokens; also energy (joules) and time (seconds)
def translations(texts: list[str]) -> list[str]:
    """Translate, for a dollar at most."""
    return translate.map(texts)


if __name__ == "__main__":
    saved = translations.options(durable=True)
    job = saved.run_job(["one", "two", "three", "four", "five"])
    print(f"{job.status} after {len(job.tasks)} tasks and ${job.usd:.2f}: {job.failures[0].message}")

    job = saved.resume_job(job.job, budget={"cost": 5.0})
    print(f"{job.status} after {len(job.tasks)} tasks and ${job.usd:.2f}: {job.outputs['result']}")

# Runs 10_waiting.yaml as far as it goes, and takes it up again when the event comes.
from pathlib import Path

from murakkab import load_workflow


def main() -> None:
    waiting = load_workflow(Path(__file__).with_name("10_waiting.yaml")).options(durable=True)
    job = waiting.run_job(thing="kite")
    print(f"{job.status}: {job.failures[0].message}")
    print("rounds:", sum(row.step == "ready" for row in job.tasks))

    # Somebody has paid. The same from a shell: murakkab send JOB "paid kite-7" --value '{"by": "Ann"}'
    job = waiting.resume_job(job.job, signals={"paid kite-7": {"by": "Ann"}})
    print(f"{job.status}: {job.outputs['shipped']}")


if __name__ == "__main__":
    main()

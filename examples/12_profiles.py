# Runs 12_profiles.yaml as it is written, and as each of its profiles changes it.
from pathlib import Path

from murakkab import load_workflow

TEXT = "Rain fell all day. The cat sat on the mat. A dog barked. The dog saw the cat on the mat."


def main() -> None:
    profiles = load_workflow(Path(__file__).with_name("12_profiles.yaml"))
    for name in ("dev", "prod"):
        job = profiles.options(profile=name).run_job(text=TEXT)
        print(f"{name}: {job.tasks[0].executor} says {job.outputs['told']!r}")
    told = profiles.definition.steps["told"].retry
    print(f"without: {told.attempts} attempts, {told.delay} s apart")


if __name__ == "__main__":
    main()

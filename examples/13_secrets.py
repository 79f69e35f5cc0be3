# Runs 13_secrets.yaml twice, well and badly: the text of the secret is in no result and no message, and the last step always runs.
import os
from pathlib import Path

from murakkab import load_workflow


def main() -> None:
    os.environ["API_TOKEN"] = "xyzzy-1234"  # so that the example runs; elsewhere it is there already
    publish = load_workflow(Path(__file__).with_name("13_secrets.yaml"))
    log = Path("13_secrets.log")
    for page in ("home", "draft"):
        job = publish.run_job(page=page, log=str(log))
        print(job.status, *(failure.message for failure in job.failures), dict(job.outputs))
        print("the last step wrote:", log.read_text())
        print("the secret is in what was kept:", "xyzzy" in repr(job.history))


if __name__ == "__main__":
    main()

# The same kind of workflow as a YAML file (02_greetings.yaml), loaded and run from Python.
# From the shell: murakkab run examples/02_greetings.yaml -i names=Ada,Grace
from pathlib import Path

from murakkab import load_workflow


def main() -> None:
    greetings = load_workflow(Path(__file__).with_name("02_greetings.yaml"))
    print(greetings.run(names=["Ada", "Grace"]))


if __name__ == "__main__":
    main()

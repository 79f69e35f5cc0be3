"""policy: every step of a workflow, wherever it stands."""

from collections.abc import Iterator, Mapping

from murakkab.errors import Path
from murakkab.spec import Step, Workflow


def every_step(workflow: Workflow) -> Iterator[tuple[Path, Step]]:
    """Yield every step with its path: those of blocks, of `finally` and of sub-workflows too, each sub-workflow once."""
    for at, one in definitions(workflow):
        yield from steps_of(one, at)


def definitions(workflow: Workflow) -> Iterator[tuple[Path, Workflow]]:
    """Yield the workflow and those inside of it with their paths, each once."""
    seen = {id(workflow)}
    agenda: list[tuple[Path, Workflow]] = [((), workflow)]
    while agenda:
        at, one = agenda.pop()
        yield at, one
        for key, inner in one.workflows.items():
            if id(inner) not in seen:
                seen.add(id(inner))
                agenda.append(((*at, "workflows", key), inner))


def steps_of(workflow: Workflow, at: Path = ()) -> Iterator[tuple[Path, Step]]:
    """Yield the steps of *workflow*, which stands at *at*, with their paths: those of blocks and of `finally` too."""
    agenda: list[tuple[Path, Mapping[str, Step]]] = [((*at, "finally"), workflow.finally_), ((*at, "steps"), workflow.steps)]
    while agenda:
        path, steps = agenda.pop()
        for name, step in steps.items():
            yield (*path, name), step
            if step.block is not None:
                agenda.append(((*path, name, "steps"), step.block.steps))

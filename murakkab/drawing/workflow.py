"""policy: Workflow -> Picture. Shows what is declared; of a job also what was chosen and how far each step is."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Final

from murakkab.catalog import Device
from murakkab.drawing.picture import FINALLY, INPUTS, OUTPUTS, Box, Edge, Frame, Picture
from murakkab.drawing.traits import badges_of, kind_of, work_of
from murakkab.drawing.words import shown
from murakkab.plan import Choice
from murakkab.planner.mentions import Mentions, mentions_of, mentions_of_frame
from murakkab.references import refs_in
from murakkab.spec import WILD, Expr, Ref, Step, Workflow

_PYTHON: Final = "python"


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of the steps beside their declaration, by path. `depth`: how many levels of steps inside of steps are shown."""

    choices: Mapping[str, Choice] = field(default_factory=dict)
    statuses: Mapping[str, str] = field(default_factory=dict)
    depth: int = 20


def workflow_picture(workflow: Workflow, told: Told | None = None, *, remarks: Iterable[str] = (), status: str = "") -> Picture:
    """Return the picture of a workflow whose steps wait for each other in no ring."""
    told = told or Told()
    frame, mentions = _frame(workflow.steps, workflow, told, prefix="")
    ends = _ends(workflow, frame, mentions)
    boxes = (*ends[0], *frame.boxes, *ends[1])
    edges = (*ends[2], *frame.edges, *ends[3])
    if workflow.finally_:
        inside, _ = _frame(workflow.finally_, workflow, told, prefix="finally/")
        boxes = (*boxes, Box(FINALLY, "finally", "finally", "when all has ended, however it ended", inside=inside))
    return Picture(shown(workflow.name, 80), Frame(boxes, edges), tuple(shown(one) for one in remarks), status)


def _ends(
    workflow: Workflow, frame: Frame, mentions: Mapping[str, Mentions]
) -> tuple[list[Box], list[Box], tuple[Edge, ...], tuple[Edge, ...]]:
    """Return the boxes of inputs and outputs, and the edges from the one and to the other."""
    first = [box.key for box in frame.boxes if not any(edge.target == box.key for edge in frame.edges)]
    users = tuple(Edge(INPUTS, name) for name in first if "inputs" in mentions[name].names)
    given = ", ".join(f"{name}: {one.type}{'' if one.required else '?'}" for name, one in workflow.inputs.items())
    made = ", ".join(workflow.outputs)
    used = {ref.source for one in workflow.outputs.values() for ref in refs_in(one.value)}
    makers = tuple(Edge(box.key, OUTPUTS) for box in frame.boxes if box.key in used)
    begin = [Box(INPUTS, "inputs", "inputs", shown(given))] if workflow.inputs else []
    end = [Box(OUTPUTS, "outputs", "outputs", shown(made))] if workflow.outputs else []
    return begin, end, users if begin else (), makers if end else ()


def _frame(steps: Mapping[str, Step], owner: Workflow, told: Told, *, prefix: str) -> tuple[Frame, dict[str, Mentions]]:
    """Return the boxes of *steps* in an order in which they can run, and what each step mentions."""
    boxes: dict[str, Box] = {}
    mentions: dict[str, Mentions] = {}
    for name, step in steps.items():
        boxes[name], mentions[name] = _box(step, owner, told, path=f"{prefix}{name}")
    needs = {name: [one for one in (*mentions[name].names, *step.after) if one in steps and one != name] for name, step in steps.items()}
    place = {name: i for i, name in enumerate(steps)}
    edges = tuple(
        Edge(f"{prefix}{source}", f"{prefix}{name}", _edge_kind(source, step, steps, mentions[name]))
        for name, step in steps.items()
        for source in sorted(set(needs[name]), key=place.__getitem__)
    )
    return Frame(tuple(boxes[name] for name in _in_order(needs)), edges), mentions


def _in_order(needs: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield the names in an order in which they can run: as they are declared, as far as that is one."""
    names = list(needs)
    place = {name: i for i, name in enumerate(names)}
    left = {name: len(set(needs[name])) for name in names}
    users: dict[str, list[str]] = {name: [] for name in names}
    for name in names:
        for need in set(needs[name]):
            users[need].append(name)
    ready = [place[name] for name in names if not left[name]]
    heapify(ready)
    while ready:
        name = names[heappop(ready)]
        yield name
        for user in users[name]:
            left[user] -= 1
            if not left[user]:
                heappush(ready, place[user])


def _box(step: Step, owner: Workflow, told: Told, *, path: str) -> tuple[Box, Mentions]:
    inside: Frame | None = None
    within: Mentions | None = None
    inner = _inner(step, owner)
    if inner is not None:
        steps, frame_owner = inner
        inside, found = _frame(steps, frame_owner, told, prefix=f"{path}/")
        if step.block is not None:
            within = mentions_of_frame(found.values(), [one.value for one in step.block.outputs.values()], steps.keys())
    choice = told.choices.get(path)
    folded = 0
    if inside is not None and path.count("/") + 1 >= told.depth:
        folded, inside = sum(1 for _ in inside.every_box()), None
    box = Box(
        key=path,
        name=shown(step.name, 60),
        kind=kind_of(step),
        work=work_of(step),
        way=way_text(choice, is_told=bool(step.call)) if choice else shown(step.executor),
        badges=badges_of(step),
        status=told.statuses.get(path, ""),
        inside=inside,
        folded=folded,
    )
    return box, mentions_of(step, within)


def way_text(choice: Choice, *, is_told: bool = False) -> str:
    """Return who does a step, and on which kind of device unless it is the usual one; *is_told*: Python goes without saying."""
    name, device = choice.executor.name, choice.executor.device
    words = ["" if is_told and name == _PYTHON else shown(name, 40), "" if device is Device.CPU else str(device)]
    return " · ".join(word for word in words if word)


def _inner(step: Step, owner: Workflow) -> tuple[Mapping[str, Step], Workflow] | None:
    """Return the steps inside of *step*, and the workflow in which the names of workflows that they use are known."""
    if step.block is not None:
        return step.block.steps, owner
    used = owner.workflows.get(step.workflow) if step.workflow else None
    return (used.steps, used) if used is not None else None


def _edge_kind(source: str, step: Step, steps: Mapping[str, Step], mentions: Mentions) -> str:
    if source not in mentions.names:
        return "order"
    if step.for_each and _is_streamed(step.for_each[0].over, source, steps):
        return "stream"
    if source in mentions.soft:
        return "either"
    unasked = Step(
        step.name, with_=step.with_, knobs=step.knobs, for_each=step.for_each, approve=step.approve, wait=step.wait, on_error=step.on_error
    )
    return "data" if step.block is not None or source in mentions_of(unasked).names else "condition"


def _is_streamed(over: Expr, source: str, steps: Mapping[str, Step]) -> bool:
    """True when a map takes the results of another one by one, as they come."""
    is_over = isinstance(over, Ref) and over.source == source and (not over.path or over.path[0] is WILD)
    return is_over and len(steps[source].for_each) == 1

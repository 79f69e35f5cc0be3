"""policy: steps as statements of Python source."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from murakkab.dsl import name_of_call, name_of_text
from murakkab.errors import Diagnostic, SpecError
from murakkab.outputs import ONE_VALUE
from murakkab.recording import usual_name
from murakkab.source.gates import answer_type, approve_code, wait_code
from murakkab.source.layout import Brackets, Code, called, joined, quoted
from murakkab.source.names import Level, Variable, free
from murakkab.source.outputs import output_code
from murakkab.source.statements import Statement, With
from murakkab.source.step_options import options_of
from murakkab.source.values import Scene, arguments, named, value
from murakkab.spec import WILD, Block, Output, Ref, Step, Workflow
from murakkab.types import ANY, NULL, Field, Type, list_of, optional


@dataclass(frozen=True, slots=True)
class Part:
    """A workflow that is a function of the module, called `name`.

    `parameters`: those of it, None where they have no order; of them some are `required`. `returns_value`: a call stands for the one
    output. `by_key`: a step names it by its key, for a call would give it another.
    """

    name: str
    workflow: Workflow
    parameters: tuple[str, ...] | None = None
    required: frozenset[str] = frozenset()
    returns_value: bool = False
    by_key: bool = False


@dataclass(slots=True)
class Function:
    """What is known of the function that is being written: the names that are taken in it, and the workflows that it can use, by key."""

    taken: set[str]
    parts: Mapping[str, Part] = field(default_factory=dict)

    def variable(self, wish: str) -> Variable:
        """Return a new variable."""
        name = free(wish, self.taken)
        self.taken.add(name)
        return Variable(name)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a step is written: the scene around it, that of its own values (which see its loop variables), and the function."""

    scene: Scene
    inside: Scene
    function: Function

    def options(self, step: Step, usual: str, *, loops: bool = True) -> tuple[Code, ...]:
        """Return the options of *step*, with its name unless that is its *usual* one."""
        is_usual = usual_name(usual) == step.name and not self.scene.level.hides(step.name)
        return options_of(step, self.inside, name=not is_usual, loops=loops)


def statements(steps: Mapping[str, Step], scene: Scene, function: Function) -> tuple[Statement | With, ...]:
    """Return the statements that write *steps* down; the level of *scene* knows their variables then."""
    return tuple(_statement(step, scene, function) for step in steps.values())


def _statement(step: Step, scene: Scene, function: Function) -> Statement | With:
    told = (("attempt",) if step.best_of is not None else ()) + (("debate",) if step.debate is not None else ())
    loops = frozenset((*(name for loop in step.for_each for name, _ in loop.lists()), *told))
    place = _Place(scene, replace(scene, level=Level(around=scene.level, loops=loops)), function)
    variable = function.variable(step.name)
    made = _work(step, place, variable)
    if not variable.path:
        for _ in step.for_each:
            variable.type = list_of(variable.type)
    scene.level.variables[step.name] = variable
    return made


def _work(step: Step, place: _Place, variable: Variable) -> Statement | With:
    """Return the statement of *step*; its *variable* knows the type of one result then."""
    work = [name for name in ("uses", "call", "workflow", "block", "approve", "wait") if getattr(step, name)]
    if len(work) > 1 or not (work or step.does):
        hint = "a step has one of uses, call, workflow, steps, approve and wait"
        raise SpecError([Diagnostic("no-work", f"what the step {step.name!r} does cannot be written", hint, ("steps", step.name))])
    if step.block is not None:
        return _block(step, step.block, place, variable)
    if step.approve is not None:
        variable.type = answer_type(step.approve)
        return Statement(approve_code(step.approve, place.inside, place.options(step, "approve")), variable)
    if step.wait is not None:
        variable.type = NULL if step.wait.event is None else step.wait.type
        usual = "wait" if step.wait.event is None else "wait_for"
        return Statement(wait_code(step, step.wait, place.inside, place.options(step, usual)), variable)
    if step.workflow:
        return Statement(_workflow(step, place, variable), variable)
    if step.uses:
        return Statement(_by_name("use", quoted(step.uses), step, step.uses, place), variable)
    usual = name_of_call(step.call) if step.call else name_of_text(step.does)
    word, said = ("call", step.call) if step.call else ("does", step.does)
    return Statement(_by_name(word, quoted(said), step, usual, place), variable)


def _is_map(step: Step) -> bool:
    """Return whether *step* goes through one list, as `map` does."""
    return len(step.for_each) == 1 and step.for_each[0].name == "item" and not step.for_each[0].beside


def _by_name(word: str, said: Code, step: Step, usual: str, place: _Place) -> Code:
    head = called(place.scene.imports[word], said, *place.options(step, usual, loops=not _is_map(step)))
    return _applied(head, step, arguments(step.with_, place.inside), place)


def _applied(head: Code, step: Step, values: tuple[Code, ...], place: _Place) -> Code:
    """Return the call of the step *head* with its arguments, for every element where it is a map."""
    if _is_map(step):
        return joined(head, ".map", Brackets("(", (value(step.for_each[0].over, place.scene), *values), ")"))
    return called(head, *values)


# -------------------------------------------------------------------------------------------------------------- workflows


def _workflow(step: Step, place: _Place, variable: Variable) -> Code:
    part = place.function.parts.get(step.workflow)
    if part is None or part.by_key:
        return _by_name("subworkflow", quoted(step.workflow), step, step.workflow, place)
    usual = part.workflow.name
    variable.type = _record(part.workflow.outputs)
    if not _fits(step, part):
        return _by_name("subworkflow", part.name, step, usual, place)
    if part.returns_value:
        _stand_for_value(variable, is_map=bool(step.for_each))
    options = place.options(step, usual, loops=not _is_map(step))
    head = called(f"{part.name}.with_options", *options) if options else part.name
    element = part.parameters[0] if _is_map(step) and part.parameters else ""
    return _applied(head, step, arguments({n: v for n, v in step.with_.items() if n != element}, place.inside), place)


def _fits(step: Step, part: Part) -> bool:
    """Return whether a call of the function says exactly what *step* is given."""
    if step.for_each and not _is_map(step):
        return False
    if part.parameters is None:
        return True
    names = tuple(name for name in part.parameters if name in step.with_)
    if names != tuple(step.with_) or not part.required <= step.with_.keys():
        return False
    return not _is_map(step) or (bool(part.parameters) and step.with_.get(part.parameters[0]) == Ref("item"))


def _stand_for_value(variable: Variable, *, is_map: bool) -> None:
    """Make *variable* stand for the one output of a workflow that returns one value."""
    found = variable.type.field(ONE_VALUE)
    one = ANY if found is None else found.type
    variable.path, variable.spread = ((WILD, ONE_VALUE), True) if is_map else ((ONE_VALUE,), False)
    variable.type = list_of(one) if is_map else one


# ----------------------------------------------------------------------------------------------------------------- blocks


def _record(outputs: Mapping[str, Output]) -> Type:
    fields = (Field(name, optional(one.type) if one.optional else one.type) for name, one in outputs.items())
    return Type("record", fields=tuple(fields))


def _block(step: Step, block: Block, place: _Place, variable: Variable) -> With:
    head = called(place.scene.imports["block"], *place.options(step, "block"))
    below = replace(place.inside, level=Level(frozenset(block.steps), place.inside.level))
    body = statements(block.steps, below, place.function)
    if block.outputs:
        variable.is_used = True
        variable.type = _record(block.outputs)
        values = {name: output_code(one, below) for name, one in block.outputs.items()}
        body = (*body, Statement(called(f"{variable.name}.outputs", *named(values))))
    return With(head, body, variable)

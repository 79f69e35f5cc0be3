"""Hypothesis strategies for valid workflows: every kind of step, in and around each other, with what may go wrong in them."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from hypothesis import strategies as st

from tests.public.random_steps import MISBEHAVIOUR

#: The shape of a value: ("list", shape), ("record", {field: shape}), "int", "bool", "str", "null", "any" (or null), or "open" for that of
#: which no value is known.
Shape = Any
INTS: Shape = ("list", "int")
PAIR: Shape = ("record", {"n": "int", "xs": INTS})
#: What each function gives; `stream` and `lines` element by element.
SHAPES: dict[str, Shape] = {
    "number": "int",
    "thread": "int",
    "numbers": INTS,
    "table": ("list", INTS),
    "pair": PAIR,
    "stream": INTS,
    "lines": INTS,
}
_SMALL = "10ms"


@dataclass
class Place:
    """Where a step stands. `seen`: what it may refer to; `calm`: nothing goes wrong; `only_calls`: no executors but functions.

    `parts`: the workflows that it may use, with the shape of their outputs; `racing`: it may be called off once it has begun.
    """

    seen: dict[str, Shape]
    calm: bool
    only_calls: bool
    parts: dict[str, Shape] = field(default_factory=dict)
    depth: int = 0
    racing: bool = False
    numbers: Any = field(default_factory=count)

    def inside(self, more: dict[str, Shape], *, racing: bool, deeper: int = 1) -> "Place":
        """Return the place of what a step does, or of the steps inside of it."""
        return Place(
            {**self.seen, **more}, self.calm, self.only_calls, self.parts, self.depth + deeper, self.racing or racing, self.numbers
        )


def ways_into(name: str, shape: Shape) -> list[tuple[str, Shape]]:
    """Return the references that begin with *name*, without braces, and the shape of what they give."""
    found = [(name, shape)]
    if isinstance(shape, str):
        return found
    kind, inner = shape
    if kind == "list":
        # [*] flattens: what is below is one list, whatever it goes through.
        below = ways_into(f"{name}[*]", inner)
        return found + [(way, of if "[*]" in way[len(name) + 3 :] else ("list", of)) for way, of in below]
    return found + [way for each, of in inner.items() for way in ways_into(f"{name}.{each}", of)]


def refs(place: Place, shape: Shape = None) -> list[str]:
    """Return the references of a place that give that shape; None: any."""
    return [f"${{{way}}}" for name, of in place.seen.items() for way, found in ways_into(name, of) if shape in (None, found)]


# ---------------------------------------------------------------------------------------------------------------- documents


@st.composite
def documents(draw: st.DrawFn, *, calm: bool, only_calls: bool = False, depth: int = 0) -> dict[str, Any]:
    """Return the document of a workflow that takes `n`, `flag` and `xs`. *calm*: nothing in it goes wrong."""
    parts = (
        {"part": draw(documents(calm=calm, only_calls=only_calls, depth=depth + 1))} if depth < 2 and draw(st.integers(0, 2)) == 0 else {}
    )
    shapes = {name: part.pop("_shape") for name, part in parts.items()}
    seen: dict[str, Shape] = {"inputs": ("record", {"n": "int", "xs": INTS})}
    place = Place(seen, calm, only_calls, shapes, depth)
    steps = draw(step_maps(place, most=7 if depth == 0 else 3))
    outputs, shape = draw(outputs_of(place))
    made: dict[str, Any] = {
        "workflow": "random" if depth == 0 else "part",
        "inputs": {"n": "int", "flag": {"type": "bool", "default": True}, "xs": {"type": "list[int]", "default": [3, 1]}},
        **({"workflows": parts} if parts else {}),
        "steps": steps,
        "outputs": outputs,
    }
    if depth:
        return {**made, "_shape": shape}
    if draw(st.booleans()):
        made["finally"] = draw(last_steps(place))
    if not calm:
        made |= draw(st.sampled_from([{}, {}, {}, {"timeout": "60ms"}, {"budget": {"cost": 2}}, {"budget": {"time": "20ms"}}]))
    return made


@st.composite
def outputs_of(draw: st.DrawFn, place: Place) -> tuple[dict[str, Any], Shape]:
    """Return outputs, each of which may be missing, and their shape."""
    own = [way for way in refs(place) if not way.startswith("${inputs")] or ["${inputs.n}"]
    ways = draw(st.lists(st.sampled_from(own), min_size=1, max_size=3, unique=True))
    found: dict[str, Any] = {f"o{i}": {"value": way, "optional": True} for i, way in enumerate(ways)}
    if draw(st.booleans()):
        found["first"] = {"value": {"$first": [*ways, 0]}, "optional": True}
    return found, ("record", dict.fromkeys(found, "any"))


@st.composite
def last_steps(draw: st.DrawFn, place: Place) -> dict[str, Any]:
    """Return the steps of `finally`."""
    given = {"how": "${job.status}", "why": "${job.failures[*].reason}", "n": "${inputs.n}"}
    steps: dict[str, Any] = {
        "f0": {"call": "tests.public.random_steps:number", "with": {"do": draw(doings(place, times=False)), "given": given}}
    }
    if draw(st.booleans()):
        inner = {"call": "tests.public.random_steps:thread", "with": {"do": draw(doings(place, times=False)), "given": "${each}"}}
        steps["f1"] = {"for_each": {"each": "${inputs.xs}"}, "steps": {"g": inner}, "after": ["f0"]}
    return steps


@st.composite
def step_maps(draw: st.DrawFn, place: Place, most: int = 3) -> dict[str, Any]:
    """Return steps by name; what they give can be seen at the place from then on."""
    found: dict[str, Any] = {}
    for _ in range(draw(st.sampled_from(range(1, most + 1)))):
        name = f"s{next(place.numbers)}"
        step, shape = draw(one_step(place, [*found]))
        found[name] = step
        place.seen[name] = shape
    return found


# ------------------------------------------------------------------------------------------------------------------- a step


@st.composite
def one_step(draw: st.DrawFn, place: Place, before: list[str]) -> tuple[dict[str, Any], Shape]:
    """Return a step and the shape of its result."""
    kinds = ["work"] * 6 + ["approve", "wait", "event"]
    kinds += ["block"] * 4 if place.depth < 2 else []
    kinds += ["part"] * 3 if place.parts and not place.racing else []
    kind = draw(st.sampled_from(kinds))
    step, variables = draw(loops(place)) if draw(st.integers(0, 2)) == 0 else ({}, {})
    levels = len(step["for_each"].get("$levels", [1])) if step else 0
    needs_some = not place.calm and (levels > 0 or kind == "block") and kind != "part" and draw(st.integers(0, 4)) == 0
    here = place.inside(variables, racing=needs_some, deeper=0)
    if kind in ("work", "block", "part") and draw(st.integers(0, 3)) == 0:
        step["repeat"] = draw(rounds(place))
        here.seen["loop"] = ("record", {"index": "int", "last": "any"})
    work, shape = draw(_WORK[kind](here))
    step |= work | draw(gates(here, before))
    if needs_some and not levels:
        step |= {"need": 1}
        step.pop("outputs", None)
        shape = "open"
    elif needs_some:
        step["need"] = draw(st.sampled_from([1, 1, 2, "60%"]))
    whole = shape
    for _ in range(levels):
        whole = ("list", whole)
    if not place.calm:
        step |= draw(rescues(step, whole if needs_some and levels else shape))
    return step, whole


@st.composite
def gates(draw: st.DrawFn, place: Place, before: list[str]) -> dict[str, Any]:
    """Return what a step waits for, and whether it is done at all."""
    found: dict[str, Any] = {}
    if before and draw(st.integers(0, 3)) == 0:
        found["after"] = draw(st.lists(st.sampled_from(before), max_size=2, unique=True, min_size=1))
    if draw(st.integers(0, 4)) == 0:
        conditions = ["inputs.flag", "!inputs.flag", "inputs.n > 4"]
        conditions += [f"{name} > 500" for name, of in place.seen.items() if of == "int"]
        conditions += [f"size({name}) > 1" for name, of in place.seen.items() if of == INTS]
        found["when"] = draw(st.sampled_from(conditions))
    return found


@st.composite
def loops(draw: st.DrawFn, place: Place) -> tuple[dict[str, Any], dict[str, Shape]]:
    """Return what says that a step is done for every element of lists, and the shapes of its variables."""
    over, variables = draw(lists(place))
    return {"for_each": over, **draw(st.sampled_from([{}, {}, {"max_parallel": 1}, {"max_parallel": 2}]))}, variables


@st.composite
def lists(draw: st.DrawFn, place: Place) -> tuple[dict[str, Any], dict[str, Shape]]:
    """Return a `for_each`, and the shapes of its variables."""
    # Loops over what loops over loops have made grow beyond all bounds.
    own = [way for way in refs(place, INTS) if way.count("[*]") < 2]
    one: Any = st.sampled_from([*own, *own, [1, 2, 3]])
    short: Any = st.sampled_from(["${inputs.xs}", [1, 2, 3]])
    a, b = f"v{next(place.numbers)}", f"w{next(place.numbers)}"
    form = draw(st.sampled_from(["one", "one", "one", "zip", "two", "table"]))
    if form == "zip":
        over = draw(one)
        return {"$zip": {a: over, b: over}}, {a: "int", b: "int"}
    if form == "two":
        return {"$levels": [{a: draw(one)}, {b: draw(short)}]}, {a: "int", b: "int"}
    tables = [way for way in refs(place, ("list", INTS)) if "[*]" not in way]
    if form == "table" and tables:
        return {"$levels": [{a: draw(st.sampled_from(tables))}, {b: f"${{{a}}}"}]}, {a: INTS, b: "int"}
    return {a: draw(one)}, {a: "int"}


@st.composite
def rounds(draw: st.DrawFn, place: Place) -> dict[str, Any]:
    found: dict[str, Any] = {"at_most": draw(st.integers(1, 3)), **draw(st.sampled_from([{}, {"delay": "1ms"}]))}
    ends = [{}, {"until": "loop.index >= 1", "otherwise": "last"}]
    if not place.calm:
        ends += [{"until": "loop.index >= 7"}, {"until": "loop.index >= 1"}, {"until": "size(loop.history) > 0"}]
    return found | draw(st.sampled_from(ends))


@st.composite
def rescues(draw: st.DrawFn, step: dict[str, Any], shape: Shape) -> dict[str, Any]:
    """Return what is to happen when a step fails."""
    ways: list[Any] = [{}, {}, {"on_error": "skip"}, *([] if _is_open(shape) else [{"on_error": {"default": sample(shape)}}])]
    if step.get("uses") and step.get("effect") != "irreversible":
        ways += [{"on_error": {"fallback": "second"}}] * 2
    return draw(st.sampled_from(ways))  # type: ignore[no-any-return]


def _is_open(shape: Shape) -> bool:
    """True for what steps give that nobody has named: no value is known that could take its place."""
    return shape == "open" or (shape[0] == "list" and _is_open(shape[1]))


def sample(shape: Shape) -> Any:
    """Return a value of that shape."""
    if isinstance(shape, str):
        return {"bool": False, "str": "${error.reason}", "int": 7}.get(shape)
    return [sample(shape[1])] if shape[0] == "list" else {name: sample(of) for name, of in shape[1].items()}


# ------------------------------------------------------------------------------------------------------------- kinds of work


@st.composite
def doings(draw: st.DrawFn, place: Place, *, times: bool) -> list[str]:
    """Return how a step behaves, time after time; *times*: it has a timeout, and may hang until that is over."""
    if place.calm:
        return []
    if times and draw(st.booleans()):
        return ["hang", draw(st.sampled_from(["ok", "hang", "fail"]))]
    bad = ["ok", "fail", "fail", *MISBEHAVIOUR, "wait", "wait", "wait", "stubborn", "stubborn"]
    return draw(st.one_of(st.just([]), st.lists(st.sampled_from(bad), min_size=1, max_size=3)))


@st.composite
def work(draw: st.DrawFn, place: Place) -> tuple[dict[str, Any], Shape]:
    is_used = not place.only_calls and draw(st.integers(0, 2)) == 0
    kind = "number" if is_used else draw(st.sampled_from(sorted(SHAPES)))
    step: dict[str, Any] = {"uses": "number"} if is_used else {"call": f"tests.public.random_steps:{kind}"}
    effects = ["pure", "read", "write", *(["irreversible"] * 2 if not place.racing and not place.calm else [])]
    effect = draw(st.sampled_from([None, *effects]))
    if effect:
        step["effect"] = effect
    elif is_used:
        step["executor"] = "first"
    if is_used:
        step["executor"] = "first"
    if not place.calm:
        if effect != "irreversible":
            step |= draw(st.sampled_from([{}, {"retry": {"attempts": 2, "delay": 0}}, {"retry": {"attempts": 3, "delay": "1ms"}}]))
        step |= draw(st.sampled_from([{}, {}, {"timeout": _SMALL}]))
    if effect in ("pure", "read") and draw(st.booleans()):
        step["cache"] = True
    step["with"] = {"do": draw(doings(place, times="timeout" in step)), "given": draw(givens(place))}
    if not place.calm and draw(st.integers(0, 2)) == 0:
        step["with"]["odd"] = draw(st.integers(0, 2))
    whole = refs(place, "int")
    if whole and draw(st.booleans()):
        step["with"]["n"] = draw(st.sampled_from(whole))
    return step, SHAPES[kind]


@st.composite
def givens(draw: st.DrawFn, place: Place) -> Any:
    own = refs(place)
    ways = draw(st.lists(st.sampled_from(own), max_size=2))
    given: dict[str, Any] = {f"x{i}": way for i, way in enumerate(ways)}
    if ways and draw(st.integers(0, 3)) == 0:
        given["first"] = {"$first": [*draw(st.lists(st.sampled_from(own), max_size=2)), 5]}
    if ways and draw(st.integers(0, 4)) == 0:
        given["text"] = {"$template": f"<{ways[0]}> $${{no}}"}
    return given


@st.composite
def block(draw: st.DrawFn, place: Place) -> tuple[dict[str, Any], Shape]:
    inner = place.inside({}, racing=False)
    around = {*inner.seen}
    steps = draw(step_maps(inner))
    step: dict[str, Any] = {"steps": steps}
    shape: Shape = "open"
    if draw(st.integers(0, 2)):
        own = Place({name: of for name, of in inner.seen.items() if name not in around}, place.calm, place.only_calls)
        step["outputs"], shape = draw(outputs_of(own))
    if not place.calm:
        step |= draw(st.sampled_from([{}, {}, {}, {"timeout": "30ms"}]))
    return step, shape


@st.composite
def part(draw: st.DrawFn, place: Place) -> tuple[dict[str, Any], Shape]:
    name = draw(st.sampled_from(sorted(place.parts)))
    with_: dict[str, Any] = {"n": draw(st.sampled_from([*refs(place, "int"), 3]))}
    if own := refs(place, INTS):
        with_ |= draw(st.sampled_from([{}, {"xs": draw(st.sampled_from(own))}]))
    step: dict[str, Any] = {"workflow": name, "with": with_}
    return (step | draw(st.sampled_from([{}, {"timeout": "30ms"}])) if not place.calm else step), place.parts[name]


@st.composite
def question(draw: st.DrawFn, place: Place) -> tuple[dict[str, Any], Shape]:
    message: Any = draw(st.sampled_from(["Well?", {"$template": f"What of {draw(st.sampled_from(refs(place)))}?"}]))
    step: dict[str, Any] = {"approve": {"message": message, "form": {"k": {"type": "int", "default": 3}}}}
    if not place.calm:
        step |= draw(st.sampled_from([{}, {}, {"timeout": _SMALL}]))
    return step, ("record", {"approved": "bool", "by": "str", "k": "int"})


@st.composite
def pause(draw: st.DrawFn, place: Place) -> tuple[dict[str, Any], Shape]:
    return {"wait": draw(st.sampled_from(["1ms", 0, {"for": 0.001}, {"until": "2020-01-01T00:00:00Z"}]))}, "null"


@st.composite
def outer_event(draw: st.DrawFn, place: Place) -> tuple[dict[str, Any], Shape]:
    step: dict[str, Any] = {"wait": {"event": draw(st.sampled_from(["red", "blue"])), "type": "int"}}
    if not place.calm:
        step |= draw(st.sampled_from([{}, {}, {"timeout": _SMALL}]))
    return step, "int"


_WORK: dict[str, Any] = {"work": work, "block": block, "part": part, "approve": question, "wait": pause, "event": outer_event}

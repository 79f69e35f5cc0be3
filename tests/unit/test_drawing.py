"""Pictures of workflows: what is on them, and that no name of a file can break the form they are written in."""

import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab.catalog import Device, ExecutorCard
from murakkab.document import from_document
from murakkab.drawing import Picture, Rail, dot_text, mermaid_text, rails, svg_text, workflow_picture
from murakkab.drawing.layout import laid_out
from murakkab.drawing.picture import INPUTS, OUTPUTS, Box, Edge, Frame
from murakkab.drawing.svg import MAX_BOXES
from murakkab.drawing.words import shown
from murakkab.drawing.workflow import Told
from murakkab.errors import InputError
from murakkab.plan import Choice

_SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [  # each would end or begin something, written as it is
    '"]; n0 --> n1',
    "<script>alert(1)</script>",
    "a\\nb\\",
    "end",
    "\x1b[31mred\u202e",
    "x\n  n9[boo]",
    "&amp; #35; %%",
    "]]>",
    "`m` {{x}}",
]


def picture(document: Mapping[str, Any], **told: Any) -> Picture:
    read = from_document({"workflow": "w", **document})
    assert read.workflow is not None, read.diagnostics
    return workflow_picture(read.workflow, Told(**told))


def box(name: str, **parts: Any) -> Box:
    return Box(name, name, "task", **parts)


def lines(document: Mapping[str, Any]) -> list[str]:
    """Return the rails with the names of the steps."""
    return [f"{one.lead.rstrip()} {one.box.name}" for one in rails(picture(document).frame)]


STEPS: Mapping[str, Any] = {
    "search": {"call": "m:f", "for_each": "${inputs.topics}", "with": {"x": "${item}"}},
    "read": {"call": "m:f", "for_each": "${search[*][*]}", "with": {"x": "${item}"}},
    "style": {"call": "m:f"},
    "review": {
        "steps": {"draft": {"call": "m:f", "with": {"x": "${read}", "y": "${style}"}}, "mark": {"call": "m:f", "with": {"x": "${draft}"}}},
        "repeat": {"at_most": 5, "until": "size(result) > 0"},
    },
    "ok": {"approve": "Send it?", "after": ["review"]},
    "either": {"call": "m:f", "with": {"x": {"$first": ["${style}", "${ok}"]}}},
    "maybe": {"call": "m:f", "when": "size(read) > 2"},
}


def test_edges_say_how_one_step_waits_for_another() -> None:
    found = {(edge.source, edge.target): edge.kind for edge in picture({"inputs": {"topics": "list[str]"}, "steps": STEPS}).frame.edges}
    assert found == {
        (INPUTS, "search"): "data",
        ("search", "read"): "stream",
        ("read", "review"): "data",
        ("style", "review"): "data",
        ("review", "ok"): "order",
        ("style", "either"): "either",
        ("ok", "either"): "either",
        ("read", "maybe"): "condition",
    }


def test_a_step_that_holds_others_shows_them_inside_or_counts_them() -> None:
    def review(**told: Any) -> Box:
        return next(one for one in picture({"inputs": {"topics": "list[str]"}, "steps": STEPS}, **told).frame.boxes if one.name == "review")

    inside = review().inside
    assert inside is not None
    assert [one.key for one in inside.boxes] == ["review/draft", "review/mark"]
    assert inside.edges == (Edge("review/draft", "review/mark"),)
    assert (review(depth=1).inside, review(depth=1).folded) == (None, 2)


def test_a_workflow_inside_is_drawn_with_its_own_names() -> None:
    inner = {"workflow": "inner", "inputs": {"x": "str"}, "steps": {"a": {"call": "m:f", "with": {"x": "${inputs.x}"}}}}
    found = picture({"workflows": {"inner": inner}, "steps": {"a": {"workflow": "inner", "with": {"x": "1"}}, "b": {"workflow": "inner"}}})
    assert [one.key for one in found.frame.every_box()] == ["a", "a/a", "b", "b/a"]


def test_the_box_of_a_step_says_what_is_worth_knowing() -> None:
    card = ExecutorCard("local-python", "python", "", device=Device.GPU)
    step = {
        "call": "m:f",
        "for_each": {"$zip": {"a": "${inputs.xs}", "b": "${inputs.ys}"}},
        "max_parallel": 4,
        "need": "3 of 5",
        "retry": 3,
        "timeout": "90s",
        "cache": "1h",
        "on_error": "skip",
        "effect": "irreversible",
        "when": "size(inputs.xs) > 1",
    }
    told = {"choices": {"a": Choice("a", card)}, "statuses": {"a": "failed"}}
    _, found = picture({"inputs": {"xs": "list[int]", "ys": "list[int]"}, "steps": {"a": step}}, **told).frame.boxes
    assert (found.work, found.way, found.status) == ("m:f", "local-python · gpu", "failed")
    assert [badge.text for badge in found.badges] == [
        "if size(inputs.xs) > 1",
        "each inputs.xs + inputs.ys, 4 at a time",
        "needs 3 of 5",
        "3 tries",
        "≤ 1.5 min",
        "else skipped",
        "cached 1 h",
        "irreversible",
    ]


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ({"approve": {"message": {"$template": "Send to ${inputs.who}?"}, "form": {"note": "str?"}}}, "asks: Send to {inputs.who}? + note"),
        ({"wait": "30s"}, "waits 30 s"),
        ({"wait": {"event": "paid"}}, "waits for the event paid"),
        ({"wait": {"until": "${inputs.who}"}}, "waits until inputs.who"),
    ],
)
def test_a_gate_says_what_it_waits_for(step: Mapping[str, Any], says: str) -> None:
    assert picture({"inputs": {"who": "str"}, "steps": {"a": step}}).frame.boxes[1].work == says


def test_finally_stands_apart_and_outputs_come_from_their_steps() -> None:
    found = picture({"steps": {"a": {"call": "m:f"}}, "finally": {"tidy": {"call": "m:f"}}, "outputs": {"x": "${a}"}}).frame
    assert [one.kind for one in found.boxes] == ["task", "outputs", "finally"]
    assert found.edges == (Edge("a", OUTPUTS),)
    inside = found.boxes[-1].inside
    assert inside is not None
    assert inside.boxes[0].key == "finally/tidy"


# --------------------------------------------------------------------------------------------------------------------- rails


def test_rails_run_from_a_result_to_its_last_consumer() -> None:
    steps = {
        "a": {"call": "m:f"},
        "b": {"call": "m:f", "with": {"x": "${a}"}},
        "c": {"call": "m:f", "with": {"x": "${a}"}},
        "d": {"call": "m:f", "with": {"x": "${b}", "y": "${c}"}},
        "e": {"approve": "Go on?", "after": ["d"]},
        "f": {"call": "m:f"},
    }
    assert lines({"steps": steps}) == ["○ a", "├─● b", "● │ c", "●─╯ d", "◆ e", "○ f"]


def test_a_rail_that_passes_by_is_not_joined() -> None:
    steps = {
        "a": {"call": "m:f"},
        "b": {"call": "m:f"},
        "c": {"call": "m:f"},
        "d": {"call": "m:f", "with": {"x": "${a}", "y": "${c}"}},
        "e": {"call": "m:f", "with": {"x": "${b}"}},
    }
    assert lines({"steps": steps}) == ["○ a", "│ ○ b", "│ │ ○ c", "●─│─╯ d", "  ● e"]


def test_steps_inside_stand_beside_the_rail_of_the_step_around_them() -> None:
    block = {"steps": {"in": {"call": "m:f"}, "next": {"call": "m:f", "with": {"x": "${in}"}}}}
    steps = {"a": {"call": "m:f"}, "b": block, "c": {"call": "m:f", "with": {"x": "${a}", "y": "${b}"}}}
    assert lines({"steps": steps}) == ["○ a", "│ ○ b", "│ ┃  ○ in", "│ ┃  ● next", "●─╯ c"]


def test_without_room_for_a_rail_what_a_step_takes_is_named() -> None:
    frame = Frame(tuple(map(box, "abcd")), (Edge("a", "d"), Edge("b", "d"), Edge("c", "d")))
    found: list[Rail] = rails(frame, most=2)
    assert found[-1].takes == ("c",)
    assert max(len(one.lead) for one in found) <= 6


# -------------------------------------------------------------------------------------------------- hostile and large pictures


def hostile() -> Picture:
    """Return a picture of which every word is hostile."""
    boxes = [
        Box(text, shown(text), "task", shown(text), inside=Frame((box(shown(text)),)) if i % 2 else None) for i, text in enumerate(HOSTILE)
    ]
    edges = (Edge(HOSTILE[0], HOSTILE[1]), Edge(HOSTILE[2], HOSTILE[3], "stream"))
    return Picture(shown(HOSTILE[0]), Frame(tuple(boxes), edges), tuple(map(shown, HOSTILE)))


def test_svg_is_well_formed_and_holds_no_element_of_a_name() -> None:
    tree = ElementTree.fromstring(svg_text(hostile()))
    assert {one.tag.removeprefix(_SVG) for one in tree.iter()} <= {"svg", "g", "rect", "text", "title", "path", "circle", "style"}
    assert "<script>alert(1)</script>" in {one.text for one in tree.iter(f"{_SVG}text")}


def test_mermaid_labels_hold_nothing_that_ends_them() -> None:
    known = re.compile(
        r"---|title: \"[^\"]*\"|flowchart TB|  %% [\w .,:+\-/()\[\]?!=≤·…']*| *end| *direction TB"
        r"| *subgraph n\d+\[\"[^\"`<>{}\\]*\"\]| *n\d+\[\"(?:[^\"`<>{}\\]|<br/>)*\"\]| *n\d+ (-->|==>) n\d+"
    )
    for line in mermaid_text(hostile()).splitlines():
        assert known.fullmatch(line), line


def test_dot_strings_end_where_they_should() -> None:
    text = dot_text(hostile())
    code = re.sub(r'"(?:[^"\\]|\\.)*"', "S", re.sub(r"^  //.*$", "", text, flags=re.MULTILINE))
    assert '"' not in code
    assert "script" not in code
    assert code.count("{") == code.count("}")


@given(st.text(max_size=60))
def test_words_are_one_line_without_anything_that_moves_the_cursor(text: str) -> None:
    found = shown(text)
    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 or char in "\u202e\u2066\ud800" for char in found)
    assert "\n" not in found
    assert shown(found) == found


@given(
    st.integers(1, 30).flatmap(
        lambda n: st.tuples(st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=60))
    )
)
def test_no_two_boxes_of_a_drawing_overlap(graph: tuple[int, list[tuple[int, int]]]) -> None:
    count, pairs = graph
    edges = [(min(pair), max(pair)) for pair in dict.fromkeys(pairs) if pair[0] != pair[1]]
    sizes = [(60.0 + 13 * (i % 5), 30.0 + 7 * (i % 3)) for i in range(count)]
    layout = laid_out(sizes, edges)
    assert len(layout.routes) == len(edges)
    spots = [(x, y, x + size[0], y + size[1]) for (x, y), size in zip(layout.corners, sizes, strict=True)]
    for i, one in enumerate(spots):
        assert one[0] >= -0.01
        assert one[2] <= layout.size[0] + 0.01
        assert one[3] <= layout.size[1] + 0.01
        for other in spots[:i]:
            assert one[2] <= other[0] + 0.01 or other[2] <= one[0] + 0.01 or one[3] <= other[1] + 0.01 or other[3] <= one[1] + 0.01
    for (upper, lower), route in zip(edges, layout.routes, strict=True):
        assert spots[upper][3] <= spots[lower][1]
        assert route[0][1] == pytest.approx(spots[upper][3])
        assert route[-1][1] == pytest.approx(spots[lower][1])


def test_a_picture_with_too_many_boxes_is_refused_as_svg() -> None:
    large = Picture("large", Frame(tuple(box(f"s{i}") for i in range(MAX_BOXES + 1))))
    with pytest.raises(InputError, match="boxes"):
        svg_text(large)
    assert dot_text(large).count("label=") == MAX_BOXES + 2


def test_a_thicket_of_edges_is_refused_as_svg() -> None:
    names = [f"s{i}" for i in range(400)]
    edges = tuple(Edge(one, other) for i, one in enumerate(names) for other in names[i + 1 :])
    with pytest.raises(InputError, match="edges"):
        svg_text(Picture("thicket", Frame(tuple(map(box, names)), edges)))


def test_an_empty_picture_is_still_one() -> None:
    empty = Picture("empty")
    ElementTree.fromstring(svg_text(empty))
    assert rails(empty.frame) == []
    assert "flowchart TB" in mermaid_text(empty)

"""Drawings for the terminal: what stands on a line, and that it fits the width."""

import pytest
from rich.console import Console

from murakkab.cli.sketch import sketch
from murakkab.drawing.picture import Badge, Box, Edge, Frame, Picture


def lines(picture: Picture, width: int) -> list[str]:
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(sketch(picture, width=width))
    return [line.rstrip() for line in capture.get().splitlines()]


INSIDE = Frame((Box("b/in", "in", "task", "m:in"),))
PICTURE = Picture(
    "w",
    Frame(
        (
            Box(">inputs", "inputs", "inputs", "x: str"),
            Box("a", "a", "task", "m:f", badges=(Badge("each", "each xs"), Badge("retry", "3 tries"), Badge("limit", "≤ 30 s"))),
            Box("b", "b", "block", inside=INSIDE),
            Box("c", "c", "approve", "asks: Fine?"),
        ),
        (Edge("a", "b"), Edge("b", "c", "order"), Edge(">inputs", "a")),
    ),
)


def test_a_line_has_rails_name_work_and_what_is_worth_knowing() -> None:
    assert lines(PICTURE, 80) == [
        "○     a     m:f          each xs · 3 tries · ≤ 30 s",
        "●     b",
        "┃  ○    in  m:in",
        "◆     c     asks: Fine?",
    ]


def test_what_finds_no_room_goes_on_below_beside_the_rails() -> None:
    first, second, *_ = lines(PICTURE, 52)
    assert first == "○     a     m:f          each xs · 3 tries"
    assert second == "│                        ≤ 30 s"


@pytest.mark.parametrize("width", [40, 80, 140, 200])
def test_no_line_is_longer_than_the_terminal_is_wide(width: int) -> None:
    boxes = tuple(
        Box(f"s{i}", f"step_{i}" * 9, "task", "module:function" * 5, badges=(Badge("when", "if x > 1 && " * 9),)) for i in range(40)
    )
    wide = Picture("w", Frame(boxes, tuple(Edge(f"s{i}", "s39") for i in range(39))))
    assert max(map(len, lines(wide, width))) <= width


def test_a_job_shows_where_each_step_is() -> None:
    picture = Picture("w", Frame((Box("a", "a", "task", "m:f", status="failed"), Box("b", "b", "task", "m:f", status="waiting"))))
    assert lines(picture, 80) == ["○  a  m:f  failed", "○  b  m:f  waiting"]


def test_steps_that_are_not_shown_are_counted() -> None:
    assert lines(Picture("w", Frame((Box("a", "a", "block", folded=12),))), 80) == ["○  a  12 steps inside"]

"""driver: the figures of the Murakkab paper that are not shipped - bars, curves and tokens - read from where they are published.

    python -m benchmarks.paper_curves DIR --json FILE      # DIR: a clone of github.com/OneLastBeer1337/Murrakub_Mock

That repository has digitised Figures 2, 3 and 4 of the paper, and states no licence that is known here: so its figures are in no file of
this project. They are read at run time from the clone, or from the JSON file that this makes of it. Its Python is parsed, never run.
"""

import argparse
import ast
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from benchmarks.paper_figures import CODE, VIDEO

REPOSITORY: Final = "github.com/OneLastBeer1337/Murrakub_Mock"
#: The version whose form is read here.
COMMIT: Final = "6c6a02b"
SOURCE: Final = Path("optimization/profiles/sources/figures_digitized.py")
#: A load of one curve is that of another that is so near, tokens/s.
_SAME: Final = 0.05
#: The percentiles that are used.
_MIDDLE, _TAIL = 50, 90

Made = TypeVar("Made")
Extent = tuple[float, float]
Configuration = tuple[str, int, int]


class FiguresError(Exception):
    """The figures are not there, or not in the form that is expected."""


class Point(NamedTuple):
    """A load of an instance: tokens/s, seconds per token and to the first token (None: above the panel), tokens/s per Wh."""

    tps: float
    tpot: float
    ttft: float | None
    per_wh: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What the paper shows and does not print.

    `accuracy`: by workflow and (model, two knobs), per cent right and by how many points that may be off. `tokens`: likewise, tokens of a
    request at the median and the ninth decile, least and most of the line. `curves`: by model, GPU and GPUs of an instance, by load.
    `curve_band`: by which part the seconds per token may be off.
    """

    accuracy: Mapping[str, Mapping[Configuration, tuple[float, float]]]
    tokens: Mapping[str, Mapping[Configuration, tuple[Extent, Extent]]]
    curves: Mapping[tuple[str, str, int], tuple[Point, ...]]
    curve_band: float


def read(path: Path) -> Figures:
    """Return the figures of a clone of the repository, or of a JSON file made of one. Raises `FiguresError`."""
    source = path / SOURCE if path.is_dir() else path
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FiguresError(f"{source}: cannot be read ({error}). Expected: a clone of {REPOSITORY}, or a JSON file made of it") from None
    try:
        found = of_json(text) if source.suffix == ".json" else of_source(text)
    except FiguresError as error:
        raise FiguresError(f"{source}: {error} (the form expected is that of {REPOSITORY} at {COMMIT})") from None
    _check(found, source)
    return found


def _check(figures: Figures, source: Path) -> None:
    """Check that all can be worked with: positive figures, curves of two loads or more in order, and a model for each workflow."""
    for instance, points in figures.curves.items():
        numbers = [one for point in points for one in point if one is not None]
        rises = all(low.tps < high.tps for low, high in pairwise(points))
        if len(points) < 2 or not rises or round(points[0].tps) < 1 or not all(0 < one < inf for one in numbers):
            raise FiguresError(f"{source}: the curve of {instance} is not one of positive figures by load, of two loads or more")
    for workflow in (VIDEO, CODE):
        for of, (right, _) in figures.accuracy[workflow].items():
            if not 0 <= right <= 100:
                raise FiguresError(f"{source}: {workflow}: {of} is right in {right} %")
        for of, extents in figures.tokens[workflow].items():
            if not all(0 < low <= high < inf for low, high in extents):
                raise FiguresError(f"{source}: {workflow}: {of} takes {extents} tokens")
        models = {of[0] for of in figures.accuracy[workflow].keys() & figures.tokens[workflow].keys()}
        if not models & {of[0] for of in figures.curves}:
            raise FiguresError(f"{source}: {workflow}: there is no model with an accuracy, tokens and a curve")


# --------------------------------------------------------------------------------------------------------------- the repository


def of_source(text: str) -> Figures:
    """Return the figures that the assignments of a Python file hold; nothing of it is run. Raises `FiguresError`."""
    named = _assignments(text)

    def take(name: str, make: Callable[[Any], Made]) -> Made:
        if name not in named:
            raise FiguresError(f"expected an assignment to {name}, found none")
        try:
            return make(ast.literal_eval(named[name]))
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise FiguresError(f"line {named[name].lineno}: {name} is not of the form expected ({error!r})") from None

    near, wide = take("ACCURACY_BAND_PP", float), take("FIG_4B_BAND_PP", float)
    video = take("FIG_2A_ACCURACY_PCT", lambda of: {(str(m), int(n), _speech(s)): (float(v), near) for (m, n, s), v in of.items()})
    bars = take("FIG_2C_ACCURACY_PCT", lambda of: {(str(m), int(d), int(r)): (float(v), near) for (m, d, r), v in of.items()})
    marks = take("FIG_4B_ACCURACY_PCT", lambda of: {(str(m), int(d), int(r)): (float(v), wide) for (m, d, r), v in of.items()})
    sides = take("FIG_2B_STT_Y_SIDE", lambda of: {str(model): _side(side) for model, side in of.items()})
    side = take("FIG_2D_R2_SIDE", _side)
    of_video, of_code = take("LINE_HALF_WIDTH_TOKENS_2B", float), take("LINE_HALF_WIDTH_TOKENS_2D", float)
    tokens = {
        VIDEO: take("FIG_2B_CLUSTERS", lambda of: dict(_tokens(of, (1, 0), lambda model: sides[model], 2 * of_video))),
        CODE: take("FIG_2D_CLUSTERS", lambda of: dict(_tokens(of, (2, 4), lambda _: side, 2 * of_code))),
    }
    curves = take("FIG_3_CURVES", lambda of: {(str(m), str(gpu), int(gpus)): _curve(one) for (m, gpu, gpus), one in of.items()})
    band = take("FIG_3_VALIDATION_VS_TABLES", lambda of: float(of["max_abs_rel_residual_pct"]) / 100)
    return Figures({VIDEO: video, CODE: bars | marks}, tokens, curves, band)


def _assignments(text: str) -> dict[str, ast.expr]:
    """Return what is assigned to each name of a module."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError) as error:
        raise FiguresError(f"expected Python, found: {error}") from None
    found = {}
    for one in body:
        match one:
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value) | ast.Assign(targets=[ast.Name(id=name)], value=value):
                found[name] = value
            case _:
                pass
    return found


def _speech(letter: str) -> int:
    return {"N": 0, "Y": 1}[letter]


def _side(side: str) -> str:
    if side not in ("left", "right", "inseparable"):
        raise ValueError(side)
    return side


def _tokens(
    clusters: Mapping[tuple[str, int], Mapping[int, Iterable[Extent]]],
    seconds: tuple[int, int],
    side_of: Callable[[str], str],
    width: float,
) -> Iterable[tuple[Configuration, tuple[Extent, Extent]]]:
    """Yield tokens by configuration. *seconds*: the second knob of the line that lies on the side told, and of the other."""
    for (model, first), by_percentile in clusters.items():
        side = side_of(model)
        middle, tail = (_lines([(float(low), float(high)) for low, high in by_percentile[one]], width) for one in (_MIDDLE, _TAIL))
        for second, is_left in zip(seconds, (side == "left", side != "left"), strict=True):
            at = 0 if is_left else 1
            extents = (_both(middle), _both(tail)) if side == "inseparable" else (middle[at], tail[at])
            yield (model, first, second), extents


def _lines(found: list[Extent], width: float) -> tuple[Extent, Extent]:
    """Return the left and the right line. Where one extent covers both, each is one line's width at its end."""
    if len(found) not in (1, 2):
        raise ValueError(f"{len(found)} clusters")
    (low, _), (_, high) = found[0], found[-1]
    return found[0] if len(found) == 2 else (low, min(low + width, high)), found[-1] if len(found) == 2 else (max(high - width, low), high)


def _both(lines: tuple[Extent, Extent]) -> Extent:
    return lines[0][0], lines[1][1]


def _curve(of: Mapping[str, Iterable[Extent]]) -> tuple[Point, ...]:
    """Return a curve by load: a load is one that has seconds per token and tokens per Wh."""
    tpot, ttft, per_wh = (sorted((float(x), float(y)) for x, y in of[name]) for name in ("tpot", "ttft", "tps_per_wh"))
    found = []
    for tps, seconds in tpot:
        power = _at(per_wh, tps)
        if power is not None:
            found.append(Point(tps, seconds, _at(ttft, tps), power))
    return tuple(found)


def _at(series: Iterable[Extent], tps: float) -> float | None:
    return next((y for x, y in series if abs(x - tps) < _SAME), None)


# --------------------------------------------------------------------------------------------------------------------- JSON


def to_json(figures: Figures) -> str:
    """Return the figures as `of_json` reads them."""
    data = {
        "accuracy": {workflow: [[*of, *one] for of, one in by.items()] for workflow, by in figures.accuracy.items()},
        "tokens": {workflow: [[*of, *one] for of, one in by.items()] for workflow, by in figures.tokens.items()},
        "curves": [[*of, points] for of, points in figures.curves.items()],
        "curve_band": figures.curve_band,
    }
    return json.dumps(data, indent=1) + "\n"


def of_json(text: str) -> Figures:
    """Return the figures of a JSON file. Raises `FiguresError`."""
    try:
        data = json.loads(text)
        return Figures(
            {
                flow: {(str(m), int(a), int(b)): (float(v), float(band)) for m, a, b, v, band in data["accuracy"][flow]}
                for flow in (VIDEO, CODE)
            },
            {flow: {(str(m), int(a), int(b)): (_pair(x), _pair(y)) for m, a, b, x, y in data["tokens"][flow]} for flow in (VIDEO, CODE)},
            {(str(m), str(gpu), int(gpus)): tuple(_point(*one) for one in points) for m, gpu, gpus, points in data["curves"]},
            float(data["curve_band"]),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise FiguresError(f"expected the JSON that `python -m benchmarks.paper_curves` writes, found {error!r}") from None


def _pair(of: Iterable[float]) -> Extent:
    low, high = of
    return float(low), float(high)


def _point(tps: float, tpot: float, ttft: float | None, per_wh: float) -> Point:
    return Point(float(tps), float(tpot), None if ttft is None else float(ttft), float(per_wh))


def main() -> int:
    """Write the figures of a clone to a JSON file; 2 when they are not there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clone", type=Path, help=f"a clone of {REPOSITORY}")
    parser.add_argument("--json", type=Path, required=True, help="the file to write")
    asked = parser.parse_args()
    try:
        figures = read(asked.clone)
    except FiguresError as error:
        parser.error(str(error))
    asked.json.write_text(to_json(figures))
    print(f"written to {asked.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

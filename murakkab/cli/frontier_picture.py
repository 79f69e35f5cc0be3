"""driver: a frontier as a picture, PNG or SVG, through Matplotlib."""

import io
from typing import Any, Final

from murakkab.cli.scatter import SPREAD
from murakkab.cli.trades import axis_of, signed_points, sources_text
from murakkab.errors import PlanError
from murakkab.optimizer.trades import Trade

_INCHES: Final = (7.5, 5.0)
_DOTS: Final = 160
_UNITS: Final = {"latency": "s", "energy": "J", "cost": "USD"}
_CHOSEN: Final = "#c1272d"
_POINT: Final = "#1f5a99"


def picture_of(trade: Trade, title: str, *, form: str) -> bytes:
    """Return the picture of a frontier as a file of the *form* png or svg. Raises `PlanError` where Matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure  # pyright: ignore[reportMissingImports]  # an extra
    except ImportError as error:
        message = "a picture of a frontier needs Matplotlib, which is not installed"
        raise PlanError(message, hint="pip install 'murakkab[plot]'; without --output it is drawn as text") from error
    figure = Figure(figsize=_INCHES, layout="constrained")
    axes = figure.add_subplot()
    points = signed_points(trade)
    line = [point.values for point in trade.points]
    if len(trade.measures) == 2 and len(line) > 1:
        is_floor = axis_of(trade.measures[0]).more_is_better
        xs, ys = zip(*sorted(values[:2] for values in line), strict=True)
        axes.step(xs, ys, where="pre" if is_floor else "post", color=_POINT, alpha=0.45, linewidth=1.2, zorder=1)
    _scatter(figure, axes, trade)
    for sign, point in points:
        text = f"{sign} (the plan)" if point.is_chosen else sign
        axes.annotate(text, point.values[:2], xytext=(5, 5), textcoords="offset points", fontsize=9, zorder=4)
    for number, set_label, set_scale in ((0, axes.set_xlabel, axes.set_xscale), (1, axes.set_ylabel, axes.set_yscale)):
        values = [point.values[number] for _, point in points]
        set_label(_titled(trade.measures[number]))
        if min(values) > 0 and max(values) / min(values) >= SPREAD:
            set_scale("log")
    axes.margins(0.08)
    axes.grid(visible=True, alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, fontsize=11, parse_math=False)
    sources = sorted({sources_text(trade, point) for _, point in points})
    axes.set_title(f"expected by {' and '.join(sources)} figures", fontsize=9, color="#555555")
    return _written(figure, form)


def _scatter(figure: Any, axes: Any, trade: Trade) -> None:
    points = [point for _, point in signed_points(trade)]
    xs, ys = ([point.values[number] for point in points] for number in (0, 1))
    if len(trade.measures) == 3:
        shades = [point.values[2] for point in points]
        dots = axes.scatter(xs, ys, c=shades, cmap="viridis", s=46, zorder=2)
        figure.colorbar(dots, ax=axes, label=_titled(trade.measures[2]))
    else:
        axes.scatter(xs, ys, color=_POINT, s=46, zorder=2)
    mine = [point for point in points if point.is_chosen]
    axes.scatter([one.values[0] for one in mine], [one.values[1] for one in mine], s=150, facecolors="none", edgecolors=_CHOSEN, zorder=3)


def _titled(measure: str) -> str:
    unit = f" ({_UNITS[measure]})" if measure in _UNITS else ""
    return f"{measure}{unit}, {'more' if axis_of(measure).more_is_better else 'less'} is better"


def _written(figure: Any, form: str) -> bytes:
    from matplotlib import rc_context  # pyright: ignore[reportMissingImports]

    written = io.BytesIO()
    # The same frontier is always the same file.
    with rc_context({"svg.hashsalt": "murakkab", "svg.fonttype": "path"}):
        figure.savefig(written, format=form, dpi=_DOTS, metadata={"Date": None} if form == "svg" else None)
    return written.getvalue()

"""policy: what `murakkab catalog` prints - tables of pools, devices, models, operating points and prices, and where each figure is from."""

from collections.abc import Iterable, Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from murakkab.catalog import Device
from murakkab.cli.catalog_points import OUTPUT, PROMPT, PointRow
from murakkab.cli.tables import new_table, seconds_text
from murakkab.devices import Allowance, ClusterView, DeviceKind, ModelCard, Pool, Price
from murakkab.figures import Figure, Provenance, Source
from murakkab.optimizer.resources import base_watts, memory_of

_STYLES: Final = {Source.MEASURED: "green", Source.PUBLISHED: "", Source.MODELLED: "yellow", Source.ASSUMED: "magenta"}
#: So many models of a pool are named; --json has all of them.
_SHOWN_MODELS: Final = 8
_SHOWN_QUALITIES: Final = ("lmarena", "mmlu-pro", "gsm8k", "humaneval", "ifeval")


class Notes:
    """The sources of a table, numbered as they come up."""

    def __init__(self) -> None:
        self._numbers: dict[Provenance, int] = {}

    def mark(self, of: Provenance) -> str:
        """Return the number of a source, as it stands behind a figure."""
        return f"[{self._numbers.setdefault(of, len(self._numbers) + 1)}]"

    def lines(self) -> list[Text]:
        """Return what the numbers mean."""
        return [
            Text.assemble((f"[{number}] ", "dim"), (str(of.source), _STYLES[of.source]), f": {of.where}{f', {of.date}' if of.date else ''}")
            for of, number in self._numbers.items()
        ]


def figure_text(figure: Figure | None, form: str = "", notes: Notes | None = None) -> str:
    """Return a figure with its interval, and the number of its source; a dash for None."""
    if figure is None:
        return "-"
    mark = f" {notes.mark(figure.of)}" if notes else ""
    value, low, high = (_number(one, form) for one in (figure.value, figure.low, figure.high))
    return f"{value}{mark}" if low == high else f"{value} ({low}-{high}){mark}"


def _number(value: float, form: str) -> str:
    """Return a number in *form*, else with three digits, or all before the point where those are more."""
    return format(value, form) if form else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _table(columns: str, right: Sequence[str] = ()) -> Table:
    table = new_table()
    for name in columns.split("|"):
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return table


def _add(table: Table, *cells: str | Text) -> None:
    """Add a row as it stands: names come from files and engines, and are no markup."""
    table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in cells))


def pools_table(view: ClusterView, key_names: Iterable[str]) -> Table:
    """Return one line per pool, and below them what pools allow, the site and the providers that there is a key for."""
    table = _table("pool|kind|count|base watts|models|where|state", right=("count",))
    for pool in view.pools.values():
        where = pool.endpoint or ("elsewhere" if pool.kind.device is Device.REMOTE else "here")
        state = Text(pool.trouble or ("on" if pool.is_on else "off"), "red" if pool.trouble else "green" if pool.is_on else "dim")
        watts = figure_text(base_watts(pool))
        _add(table, pool.name, pool.kind.name, f"{pool.count:g}", watts, _models_text(pool), where, state)
    bounds = [f"{pool.name}: {', '.join(told)}" for pool in view.pools.values() if (told := pool_bounds(pool))]
    table.caption, table.caption_justify = Text("\n".join([*bounds, _site_line(view, key_names)])), "left"
    return table


def pool_bounds(pool: Pool) -> list[str]:
    """Return what a pool allows, each by the key of `murakkab.yaml` that says it."""
    memory, usable = pool.kind.memory, memory_of(pool)
    room = f"memory {pool.count:g} x {memory / 1e9:g} GB ({usable / 1e9:.4g} for models)" if memory and usable else ""
    allowance = pool.allowance or Allowance("")
    found = [
        room,
        "" if pool.capacity is None else f"capacity {pool.capacity:,.10g} device-seconds a job",
        "" if pool.tensor_parallel is None else f"tensor_parallel {pool.tensor_parallel}",
        "" if pool.startup is None else f"startup {figure_text(pool.startup)} s",
        "" if allowance.requests is None else f"requests_per_minute {allowance.requests:,.10g}",
        "" if allowance.tokens is None else f"tokens_per_minute {allowance.tokens:,.10g}",
    ]
    return [one for one in found if one]


def _site_line(view: ClusterView, key_names: Iterable[str]) -> str:
    site = view.site
    facts = [
        f"carbon {figure_text(site.carbon)} g/kWh" if site.carbon else "",
        f"electricity {figure_text(site.usd_per_kwh)} USD/kWh" if site.usd_per_kwh else "",
        f"PUE {site.overhead:g}" if site.overhead != 1.0 else "",
    ]
    names = ", ".join(key_names)
    return "; ".join([*filter(None, facts), f"providers with a key: {names or 'none'}"])


def devices_table(kinds: Iterable[DeviceKind], notes: Notes) -> Table:
    """Return one line per kind of device."""
    columns = "kind|memory GB|GB/s|bf16 TFLOP/s|watts idle|watts at most|USD/h|reaches of GB/s|of TFLOP/s|source"
    table = _table(columns, right=("memory GB", "GB/s", "bf16 TFLOP/s"))
    for kind in kinds:
        _add(
            table,
            kind.name,
            _scaled(kind.memory, 1e9),
            _scaled(kind.bandwidth, 1e9),
            _scaled(kind.flops, 1e12),
            figure_text(kind.idle_watts, notes=notes),
            figure_text(kind.peak_watts, "g"),
            figure_text(kind.usd_per_hour, ".2f", notes),
            figure_text(kind.memory_share, ".2f", notes),
            figure_text(kind.flops_share, ".2f", notes),
            notes.mark(kind.of),
        )
    return table


def _scaled(value: float | None, unit: float) -> str:
    return "-" if value is None else f"{value / unit:g}"


def _models_text(pool: Pool) -> str:
    more = len(pool.models) - _SHOWN_MODELS
    return ", ".join(list(pool.models)[:_SHOWN_MODELS] + ([f"and {more} more"] if more > 0 else [])) or "-"


def models_table(cards: Iterable[ModelCard], notes: Notes) -> Table:
    """Return one line per model."""
    table = _table("model|parameters|active|context|KV kB/token|quality (priors)|source", right=("parameters", "active", "context"))
    for card in cards:
        known = [(name, card.quality[name]) for name in _SHOWN_QUALITIES if name in card.quality]
        qualities = ", ".join(f"{name} {figure_text(one, '.3f', notes)}" for name, one in known)
        more = len(card.quality) - len(known)
        _add(
            table,
            card.name,
            _billions(card.parameters),
            _billions(card.active),
            f"{card.context:,}",
            f"{card.kv_bytes / 1e3:.0f}" if card.kv_bytes else "-",
            (f"{qualities}, and {more} more" if more else qualities) or "-",
            notes.mark(card.of),
        )
    return table


def _billions(count: float) -> str:
    return f"{count / 1e9:.1f} B" if count else "-"


def points_table(rows: Iterable[PointRow], load: float, notes: Notes) -> Table:
    """Return one line per operating point."""
    columns = f"model|device|load {load:g}: p50|p90|first token|requests/s|marginal J|base watts|USD per 1000|source"
    table = _table(columns, right=("requests/s",))
    for row in rows:
        point = row.point
        usd = "-" if row.usd is None else f"{row.usd.value * 1000:.3g}"
        _add(
            table,
            row.model.name,
            f"{row.devices} x {row.kind.name}",
            seconds_text(point.seconds.p50),
            seconds_text(point.seconds.p90),
            seconds_text(point.first_token),
            f"{point.rate:.3g}",
            figure_text(point.joules),
            f"{point.base_watts.value:.0f}",
            usd,
            _source_text(row, notes),
        )
    table.caption = (
        f"a request of {PROMPT.mean:.0f} prompt tokens (p90 {PROMPT.p90:.0f}) and {OUTPUT.mean:.0f} of an answer (p90 {OUTPUT.p90:.0f}), "
        "bf16. Joules are those of one request more, without the base watts, which are paid once for all that run. Modelled: a roofline of "
        "the device; its prefill is modelled everywhere."
    )
    table.caption_justify = "left"
    return table


def _source_text(row: PointRow, notes: Notes) -> Text:
    of = row.profile.of
    return Text("modelled" if row.is_modelled else f"{of.source} {notes.mark(of)}", _STYLES[of.source])


def prices_table(prices: Iterable[Price], usable: Iterable[str], notes: Notes) -> Table:
    """Return one line per price."""
    table = _table("model|provider|USD per M in|out|cached|key|source", right=("USD per M in", "out", "cached"))
    keyed = set(usable)
    for price in prices:
        cached = "-" if price.usd_cached is None else f"{price.usd_cached * 1e6:.4g}"
        amounts = (f"{price.usd_in * 1e6:.4g}", f"{price.usd_out * 1e6:.4g}", cached)
        has_key = Text("yes", "green") if price.provider in keyed else Text("no", "dim")
        _add(table, price.model, price.provider, *amounts, has_key, notes.mark(price.of))
    return table

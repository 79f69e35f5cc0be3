"""driver: shows what is known of devices, models and prices, and what this installation has."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from murakkab import app
from murakkab.cli.catalog_json import device_json, model_json, point_json, price_json, view_json
from murakkab.cli.catalog_points import PointRow, point_rows
from murakkab.cli.catalog_tables import Notes, devices_table, models_table, points_table, pools_table, prices_table
from murakkab.cli.printing import answer, console_of, tell
from murakkab.diagnostics import did_you_mean
from murakkab.errors import InputError, NotFoundError
from murakkab_cluster.site import Installation

PARTS: Final = ("pools", "devices", "models", "points", "prices")


def catalog(part: str | None, site: Path | None, only: tuple[str | None, str | None], *, load: float, as_json: bool) -> None:
    """Print the catalog, or one part of it. *only*: one model, one kind of device."""
    if part is not None and part not in PARTS:
        raise InputError(f"the catalog has no part {part!r}", hint=did_you_mean(part, PARTS, others="there are"))
    if not math.isfinite(load):
        raise InputError(f"--load: {load} is not a finite number", hint="write how many requests there are at a time: --load 32")
    found = _narrowed(app.installation(site), *only)
    parts = PARTS if part is None else (part,)
    if as_json:
        whole = _as_json(found, load)
        kept = {key: value for key, value in whole.items() if key in parts or (key == "site" and "pools" in parts)}
        answer({"file": found.file or None, "remarks": list(found.remarks), **kept}, plain=True)
        return
    for name in parts:
        _show(found, name, load=load, is_all=part is None)
    if "pools" in parts:
        tell(*found.remarks)


def _narrowed(found: Installation, model: str | None, device: str | None) -> Installation:
    """Return *found* with one model or one kind of device alone."""
    known = found.known
    if model is not None:
        card = known.model(model)
        if card is None:
            raise NotFoundError(f"nothing is known of the model {model!r}", hint=did_you_mean(model, known.models, others="there are"))
        prices = tuple(price for price in known.prices if price.model == card.name)
        known = replace(known, models={card.name: card}, prices=prices)
    if device is not None:
        kind = known.device(device)
        if kind is None:
            raise NotFoundError(f"there is no kind of device {device!r}", hint=did_you_mean(device, known.devices, others="there are"))
        known = replace(known, devices={kind.name: kind})
    return replace(found, known=known)


def _as_json(found: Installation, load: float) -> dict[str, Any]:
    known = found.known
    return {
        **view_json(found.view),
        "devices": [device_json(kind) for kind in known.devices.values()],
        "models": [model_json(card) for card in known.models.values()],
        "points": [point_json(row, load) for row in point_rows(known, load)],
        "prices": [price_json(price, has_key=price.provider in found.key_names) for price in known.prices],
    }


def _show(found: Installation, part: str, *, load: float, is_all: bool) -> None:
    """Print one part, and what its sources are."""
    notes, console, known = Notes(), console_of(), found.known
    rows: list[PointRow] = []
    if part == "points":
        rows = [row for row in point_rows(known, load) if not (is_all and row.is_modelled)]
    tables = {
        "pools": lambda: pools_table(found.view, found.key_names),
        "devices": lambda: devices_table(known.devices.values(), notes),
        "models": lambda: models_table(known.models.values(), notes),
        "points": lambda: points_table(rows, load, notes),
        "prices": lambda: prices_table(known.prices, found.key_names, notes),
    }
    if is_all:
        console.print(part, style="bold", highlight=False)
    console.print(tables[part]())
    for line in notes.lines():
        console.print(line, highlight=False)
    if is_all and part == "points":
        console.print("what was measured; `murakkab catalog points` has the modelled too", style="dim", markup=False, highlight=False)
    if is_all:
        console.print()

"""policy: what people and programs see of profiles - tables, and the same as JSON data."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from murakkab.cli.tables import new_table, seconds_text
from murakkab.figures import Figure
from murakkab.profiles import Profile, Setting
from murakkab.profiling.codec import profile_json, setting_key
from murakkab.profiling.halving import label
from murakkab.profiling.observation import Drift

_DAY = 86_400.0


def brief_seconds(seconds: float) -> str:
    """Return seconds; of less than ten milliseconds exact enough to compare."""
    return f"{seconds * 1e6:.0f} us" if seconds < 0.001 else f"{seconds * 1000:.1f} ms" if seconds < 0.01 else seconds_text(seconds)


def joules_of(figure: Figure | None) -> str:
    """Return joules with how they came about."""
    return "-" if figure is None else f"{figure.value:.3g} J {figure.of.source}"


def quality_of(quality: Mapping[str, Figure]) -> str:
    """Return the quality that counts, with its interval of 80 %."""
    first = next(iter(quality.values()), None)
    return "-" if first is None else f"{first.value:.2f} [{first.low:.2f}, {first.high:.2f}]"


def outcome_table(settings: Sequence[Setting], profiles: Mapping[str, Profile], dropped: Mapping[str, str], metric: str) -> Table:
    """Return what a study found: a line per configuration, those that were dropped last."""
    table = new_table()
    table.add_column("configuration", overflow="fold", min_width=20)
    for name in ("n", "p50", "p90", "energy", f"quality ({metric})" if metric else "quality"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("dropped because", overflow="fold")
    default: dict[str, Setting] = {}
    for setting in settings:
        default.setdefault(setting.executor, setting)
    for setting in sorted(settings, key=lambda one: setting_key(one) in dropped):
        profile, reason = profiles.get(setting_key(setting)), dropped.get(setting_key(setting), "")
        style = "dim" if reason else ""
        table.add_row(Text(label(setting, default[setting.executor])), *_figures(profile), Text(reason), style=style)
    return table


def _figures(profile: Profile | None) -> tuple[str, ...]:
    if profile is None:
        return "0", "-", "-", "-", "-"
    taken = brief_seconds(profile.seconds.p50), brief_seconds(profile.seconds.p90)
    return str(profile.of.count), *taken, joules_of(profile.joules), quality_of(profile.quality)


def known_table(profiles: Sequence[Profile], drifts: Sequence[Drift], now: float) -> Table:
    """Return all that is known: a line per setting, with where it is from and since when."""
    drifted = {setting_key(drift.setting): drift for drift in drifts}
    table = new_table()
    table.add_column("configuration", overflow="fold", min_width=20)
    for name in ("n", "p50", "p90", "energy", "quality"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("source", overflow="fold")
    table.add_column("day", no_wrap=True)
    for profile in profiles:
        drift = drifted.get(setting_key(profile.setting))
        words = [f"{profile.of.source}: {profile.of.where}" if profile.of.where else str(profile.of.source)]
        if drift is not None:
            words.append(f"{drift.measure} changed by {drift.ratio:.2g} {_age(now - drift.found)}")
        name = f"{label(profile.setting)} (version {profile.setting.version})"
        table.add_row(Text(name), *_figures(profile), Text("; ".join(words)), profile.of.date)
    return table


def _age(seconds: float) -> str:
    return f"{seconds / _DAY:.0f} days ago" if seconds >= _DAY else f"{seconds / 3600:.0f} h ago" if seconds >= 3600 else "just now"


def outcome_json(settings: Sequence[Setting], profiles: Mapping[str, Profile], dropped: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what a study found as JSON data."""
    keys = {setting_key(setting): setting for setting in settings}
    return [
        {"configuration": label(setting), "dropped": dropped.get(key), "profile": profile_json(profiles[key]) if key in profiles else None}
        for key, setting in keys.items()
    ]

"""policy: the rules that every store of profiles follows - what belongs together, what is a prior of what, what shared ones count as."""

from collections.abc import Iterable
from dataclasses import replace

from murakkab.figures import Figure, Provenance, Source
from murakkab.profiles import Profile, Setting
from murakkab.profiling.codec import setting_key
from murakkab.profiling.observation import Observation


def grouped(observations: Iterable[Observation]) -> dict[str, list[Observation]]:
    """Return observations by the key of their setting, each group oldest first."""
    groups: dict[str, list[Observation]] = {}
    for one in sorted(observations, key=lambda one: one.time):
        groups.setdefault(setting_key(one.setting), []).append(one)
    return groups


def family_key(setting: Setting) -> str:
    """Return the key that a setting shares with the same one of other versions of the executor."""
    return setting_key(replace(setting, version=""))


def from_elsewhere(profile: Profile) -> Profile:
    """Return a profile as it counts on another machine than that it was measured on: published, by whoever shares it."""
    return replace(
        profile,
        joules=_published(profile.joules),
        usd=_published(profile.usd),
        startup=_published(profile.startup),
        quality={name: replace(one, of=_of_others(one.of)) for name, one in profile.quality.items()},
        of=_of_others(profile.of),
    )


def _published(figure: Figure | None) -> Figure | None:
    return None if figure is None else replace(figure, of=_of_others(figure.of))


def _of_others(of: Provenance) -> Provenance:
    return replace(of, source=Source.PUBLISHED) if of.source is Source.MEASURED else of

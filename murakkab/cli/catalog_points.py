"""policy: the operating points that `murakkab catalog points` shows - every model on every kind of device that holds it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from murakkab.devices import DeviceKind, ModelCard
from murakkab.figures import Figure, Source
from murakkab.known import Known
from murakkab.optimizer.points import Point, operating_point, rented_usd
from murakkab.optimizer.roofline import fewest_devices, most_sequences, profile_of
from murakkab.profiles import ModelProfile, Spread

#: The request that is shown: tokens of the prompt, none of them cached, and of the answer.
PROMPT: Final = Spread(500.0, 450.0, 1000.0, 2000.0)
OUTPUT: Final = Spread(200.0, 180.0, 400.0, 800.0)


@dataclass(frozen=True, slots=True)
class PointRow:
    """A model on so many devices of a kind, and what a request takes there."""

    model: ModelCard
    kind: DeviceKind
    devices: int
    profile: ModelProfile
    point: Point
    usd: Figure | None

    @property
    def is_modelled(self) -> bool:
        """True when nobody has measured the model there."""
        return self.profile.of.source is Source.MODELLED


def point_rows(known: Known, load: float) -> Iterator[PointRow]:
    """Yield what a request of `PROMPT` and `OUTPUT` takes under *load*, on the fewest devices that hold the model and on those measured."""
    for model in known.models.values():
        for kind in known.devices.values():
            measured = {p.devices for p in known.profiles if (p.model, p.device) == (model.name, kind.name)}
            fewest = fewest_devices(model, kind)
            for devices in sorted(measured | ({fewest} if fewest else set())):
                row = _row(known, model, kind, devices, load=load)
                if row is not None:
                    yield row


def _row(known: Known, model: ModelCard, kind: DeviceKind, devices: int, *, load: float) -> PointRow | None:
    profile = profile_of(known, model, kind, devices)
    if profile is None:
        return None
    context = PROMPT.mean + OUTPUT.mean
    # What was measured fits, whatever our reckoning of its memory says.
    most = max(most_sequences(model, kind, devices, context=context), profile.least)
    point = operating_point(profile, PROMPT, OUTPUT, load, most=most)
    return PointRow(model, kind, devices, profile, point, rented_usd(kind, devices, point))

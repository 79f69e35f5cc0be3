"""data: what is known of devices, of models and of how fast they run, wherever it is from; and how things are found in it by any name."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from murakkab.devices import DeviceKind, ModelCard, Price
from murakkab.profiles import ModelProfile


@dataclass(frozen=True, slots=True)
class Known:
    """Kinds of devices and models by their names, prices of hosted models, and profiles of models on devices."""

    devices: Mapping[str, DeviceKind] = field(default_factory=dict)
    models: Mapping[str, ModelCard] = field(default_factory=dict)
    prices: tuple[Price, ...] = ()
    profiles: tuple[ModelProfile, ...] = ()

    def device(self, name: str) -> DeviceKind | None:
        """Return the kind of that name, in whatever case, or None."""
        return self.devices.get(name) or self.devices.get(name.lower())

    def model(self, name: str) -> ModelCard | None:
        """Return the model that is called *name*, by us or by an engine or a provider, in whatever case; or None."""
        found = self.models.get(name)
        if found is not None:
            return found
        wanted = name.lower()
        return next((card for card in self.models.values() if wanted == card.name or wanted in map(str.lower, card.aliases)), None)

    def profile(self, model: str, device: str, devices: int) -> ModelProfile | None:
        """Return how *model* runs on so many *devices* of a kind where somebody has measured it, or None. Names are those of the cards."""
        return next((p for p in self.profiles if (p.model, p.device, p.devices) == (model, device, devices)), None)


def driver_kind(known: Known, name: str, memory: float | None = None) -> DeviceKind | None:
    """Return the kind of a device that its driver calls *name* (`NVIDIA H100 80GB HBM3`), by its *memory* in bytes where several fit."""
    words = name.upper().replace("-", " ").split()
    fitting = [kind for kind in known.devices.values() if any(word in words for word in kind.matches)]
    if memory is None or not fitting:
        return fitting[0] if fitting else None
    return min(fitting, key=lambda kind: abs((kind.memory or 0.0) - memory))

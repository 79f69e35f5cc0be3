"""state: the ways to do each step of one job - which of them is picked, and which cannot be had any more."""

from collections.abc import Mapping, Sequence

from murakkab.optimizer.choose import Decision
from murakkab.optimizer.configurations import Configuration
from murakkab.optimizer.options import label_of
from murakkab.runtime.messages import ChoicesChanged


class Ways:
    """Ways by the path of their step and their label."""

    def __init__(self, decision: Decision) -> None:
        self._asked = {node.path: node.knobs for node in decision.graph.every_node() if node.path in decision.ways}
        self.of = {path: {label_of(way): way for way in ways} for path, ways in decision.ways.items()}
        self.picks = {path: label_of(way) for path, way in decision.chosen.items()}
        self.barred: set[tuple[str, str]] = set()
        self._done_by: dict[str, list[tuple[str, str]]] = {}

    def done_by(self) -> Mapping[str, Sequence[tuple[str, str]]]:
        """Return the (path, label) that every executor does; found when first asked for, which most jobs never do."""
        if not self._done_by:
            for path, ways in self.of.items():
                for label, way in ways.items():
                    self._done_by.setdefault(way.card.name, []).append((path, label))
        return self._done_by

    def picked(self, path: str) -> Configuration | None:
        """Return the way of a step, None where nobody chose one."""
        label = self.picks.get(path)
        return self.of[path][label] if label is not None else None

    def left(self, path: str) -> list[str]:
        """Return the ways of a step that can still be had."""
        return [label for label in self.of[path] if (path, label) not in self.barred]

    def bar(self, failed: Configuration, paths: Sequence[str]) -> None:
        """Take note that nothing is done as *failed* was, by the same executor and model in the same pool."""
        for path in paths:
            alike = (
                label
                for label, way in self.of[path].items()
                if (way.card.name, way.model, way.pool) == (failed.card.name, failed.model, failed.pool)
            )
            self.barred.update((path, label) for label in alike)

    def others_of(self, picks: Mapping[str, str]) -> dict[str, str]:
        """Return those of *picks* that are not picked yet."""
        return {path: label for path, label in picks.items() if path in self.of and label != self.picks[path]}

    def recall(self, event: ChoicesChanged) -> None:
        """Pick what was chosen again before the job was resumed, where such ways are known."""
        for path, written in event.choices.items():
            if path not in self._asked:
                continue
            asked = self._asked[path]
            knobs = {**asked, **written["knobs"]}
            alike = (
                label
                for label, way in self.of[path].items()
                if way.card.name == written["executor"]
                and {**asked, **way.knobs} == knobs
                and way.pool == written.get("pool", way.pool)
                and way.model == written.get("model", way.model)
                and ("pool" not in written or way.devices == written.get("devices", 1))
            )
            if (label := next(alike, None)) is not None:
                self.picks[path] = label

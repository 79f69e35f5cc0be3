"""state: how much there is to do in one job, and how much of it is left - lists as long as they are, rounds, steps passed over."""

from collections.abc import Mapping
from typing import Any, Final

from murakkab.optimizer.choose import Decision
from murakkab.optimizer.expected import Count, Seen, expected_counts, observed_fan_out
from murakkab.plan import Node
from murakkab.rechoosing.remaining import NOTHING, Left, Lefts, Remaining
from murakkab.rechoosing.spending import Begun
from murakkab.references import refs_in
from murakkab.runtime.records import Status
from murakkab.runtime.state import JobState
from murakkab.spec import Rescue

#: One look at what is left costs as much as hearing of one event for so many steps and tasks that it has to look at.
_AT_ONCE: Final = 64


class Sizes:
    """`whole`: how much a job was expected to be, by path. `parts`: how many times as much it is, for steps where that is not one."""

    def __init__(self, decision: Decision) -> None:
        self._decision = decision
        graph, scene = decision.graph, decision.scene
        nodes = list(graph.every_node())
        #: Whether there may be more or less to do than expected.
        self._is_uncertain = scene is not None and any(map(_is_uncertain, nodes))
        self._listed = {node.path for node in nodes if node.loops}
        self._maps = [name for name, node in graph.nodes.items() if node.loops]
        self._sources = {ref.source for node in nodes for loop in node.loops for _, over in loop.lists() for ref in refs_in(over)}
        #: Lists as long as they are known to be, by which what is to come is expected.
        self._known: tuple[Mapping[str, int], frozenset[str]] = {}, frozenset()
        self._remaining = Remaining(graph, {} if scene is None else scene.counts)
        self.whole: Lefts = {} if scene is None else self._remaining.whole()
        self._left: Lefts = self.whole
        self._heard = self._seen_at = self._cost = 0
        self.parts: dict[str, float] = {}

    def hear(self) -> None:
        """Take note that something happened."""
        self._heard += 1

    def recount(self, state: JobState, begun: Mapping[str, Begun]) -> bool:
        """See how much there is; return whether that has changed. *begun*: what has been done of each step.

        Of a job that is large inside it is seen only once in a while: all that costs together stays in proportion to what happens.
        """
        if not self._is_uncertain or self._heard - self._seen_at < self._cost // _AT_ONCE:
            return False
        return self.look(state, begun)

    def look(self, state: JobState, begun: Mapping[str, Begun]) -> bool:
        """See how much there is and how much is left; return whether there is more or less than before."""
        if self._decision.scene is None:
            return False
        self._expect_by(state)
        before, self._remaining.visited = self._remaining.visited, 0
        self._left = self._remaining.of(state)
        self._cost, self._seen_at = self._remaining.visited + before, self._heard
        parts: dict[str, float] = {}
        for path in self._decision.ways:
            expected = self.whole.get(path, NOTHING).tasks
            step = begun.get(path)
            tasks = self.left(path).tasks + (step.tasks if step is not None else 0)
            if expected and abs(tasks - expected) > 1e-9 * expected:
                parts[path] = tasks / expected
        is_new = parts != self.parts
        self.parts = parts
        return is_new

    def left(self, path: str) -> Left:
        """Return how much was left of a step at the last look."""
        return self._left.get(path, NOTHING)

    def cause(self) -> str:
        """Return in words why there is more or less to do than expected, "" where there is as much."""
        if not self.parts:
            return ""
        is_list = any(path == name or path.startswith(f"{name}/") for path in self.parts for name in self._listed)
        return "lists have other lengths than expected" if is_list else "there is more or less to do than expected"

    def _expect_by(self, state: JobState) -> None:
        """Expect what is to come by the lists that are known by now."""
        if not self._listed:
            return
        values = state.root.known
        known = self._lengths(state), frozenset(name for name in self._sources if name in values)
        if known == self._known:
            return
        self._known = known
        graph, at = self._decision.graph, self._decision.situation
        seen = Seen({**at.seen.fan_out, **observed_fan_out(graph, known[0])}, at.seen.rounds)
        there: dict[str, Any] = {name: values[name] for name in known[1] if name not in graph.workflow.secrets}
        counts: Mapping[str, Count] = expected_counts(graph, at.inputs, seen, there)
        self._remaining = Remaining(graph, counts)
        self._remaining.visited = len(counts)

    def _lengths(self, state: JobState) -> dict[str, int]:
        lists: dict[str, int] = {}
        for name in self._maps:
            step = state.steps[name]
            if step.map is not None and not step.map.open:
                lists[name] = len(step.map.tasks)
            elif step.status is Status.SKIPPED:
                lists[name] = 0
        return lists


def _is_uncertain(node: Node) -> bool:
    """Return whether a step may have another number of tasks than expected, or none."""
    return bool(
        node.loops
        or node.condition is not None
        or node.again is not None
        or node.need is not None
        or node.on_error.action is not Rescue.FAIL
    )

"""state: how many tasks one job has really, where lists that were not known before now are, and which steps were passed over."""

from collections.abc import Container

from murakkab.optimizer.choose import Decision
from murakkab.optimizer.expected import Seen, expected_counts, observed_fan_out, total_tasks
from murakkab.runtime.records import Status
from murakkab.runtime.state import JobState


class Sizes:
    """`parts`: by path, how many times more tasks there are than expected; nothing where there are as many."""

    def __init__(self, decision: Decision) -> None:
        self._decision = decision
        #: Steps at the top that may have another number of tasks than expected, or none.
        self._uncertain = [name for name, node in decision.graph.nodes.items() if node.loops or node.condition is not None]
        self._lists: dict[str, int] = {}
        self.parts: dict[str, float] = {}

    def recount(self, state: JobState, begun: Container[str]) -> bool:
        """See how long lists are; return whether that changes anything. *begun*: paths of steps."""
        if not self._uncertain:
            return False
        scene = self._decision.scene
        lists = self._known(state, begun)
        if scene is None or lists == self._lists:
            return False
        is_new = any(not length and name not in self._lists for name, length in lists.items())
        self._lists = lists
        graph, at = self._decision.graph, self._decision.situation
        seen = Seen({**at.seen.fan_out, **observed_fan_out(graph, lists)}, at.seen.rounds)
        before, after = total_tasks(graph, scene.counts), total_tasks(graph, expected_counts(graph, at.inputs, seen))
        parts = {path: after[path] / tasks for path, tasks in before.items() if tasks and after[path] != tasks}
        is_new = is_new or parts != self.parts
        self.parts = parts
        return is_new

    def _known(self, state: JobState, begun: Container[str]) -> dict[str, int]:
        lists: dict[str, int] = {}
        for name in self._uncertain:
            step = state.steps[name]
            if step.map is not None and not step.map.open:
                lists[name] = len(step.map.tasks)
            elif step.status is Status.SKIPPED and name not in begun:
                lists[name] = 0
        return lists

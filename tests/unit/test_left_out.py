"""What is left out counts as nothing of the quality that it would have had, however that is known."""

from dataclasses import replace

import pytest

from murakkab.catalog import Catalog, ExecutorCard, Quote
from murakkab.errors import PlanError
from murakkab.figures import Figure, Provenance, Source
from murakkab.optimizer.situation import Situation
from murakkab.planner.graph_knobs import with_settings
from murakkab.profiles import Profile, Setting, Spread
from murakkab.spec import Goal, Optional, Output, Ref, Step, Workflow
from tests.fakes import WORK
from tests.unit.test_compositions import best, branch, card, known


@pytest.mark.parametrize("version", ["1", "0"])
def test_quality_that_was_measured_counts_for_what_is_left_out_too(version: str) -> None:
    """Executors that say nothing of it: by the profile of one as it is now, what is missing would have had a quality."""
    mute = ExecutorCard("e", "work", "", quote=Quote(1.0, 1.0, source="modelled"))
    of = Provenance(Source.MEASURED, "here")
    measured = Profile(Setting("e", version=version), Spread(1.0, 1.0, 1.0, 1.0), quality={"rate": Figure(0.8, 0.8, 0.8, of)}, of=of)
    at = Situation(profiles={"e": [measured]}, with_others=False)
    gone = best(branch(done=(0,)), known(mute), Goal(("cost",), {"quality": 0.2} if version == "1" else {}), at).deployment
    assert gone.estimate is not None
    if version == "0":
        # It was measured as it was before: nothing is known of the quality of any step.
        assert gone.estimate.quality is None
        return
    assert gone.estimate.quality is not None
    assert gone.estimate.quality.value == pytest.approx(0.8 / 3)
    kept = best(branch(), known(mute), Goal(("cost",), {"quality": 0.5}), at).deployment
    assert [(one.name, one.value) for one in kept.graph] == [("heard.done", 1)]


def test_a_job_without_the_only_step_that_has_a_quality_has_none() -> None:
    """That nothing is known of the others makes no limit one that it keeps."""
    rated, mute = card("e", 1.0, 0.8), ExecutorCard("m", "mute", "", quote=Quote(1.0, 1.0, source="modelled"))
    catalog = Catalog({"work": WORK, "mute": replace(WORK, name="mute")}, {"e": rated, "m": mute})
    steps = {"heard": Step("heard", uses="work", optional=Optional("")), "told": Step("told", uses="mute", with_={"x": Ref("heard")})}
    declared = Workflow("w", steps=steps, outputs={"told": Output(Ref("told"))})
    kept = best(declared, catalog, Goal(("cost",), {"quality": 0.5})).deployment
    assert [(one.name, one.value) for one in kept.graph] == [("heard.done", 1)]
    with pytest.raises(PlanError, match=r"no choice keeps quality 0\.5"):
        best(with_settings(declared, {"heard.done": 0}), catalog, Goal(("cost",), {"quality": 0.5}))

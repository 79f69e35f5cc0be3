"""driver: `murakkab profile` - measures a capability or a workflow with a progress bar, and shows what is known."""

import asyncio
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from murakkab import app
from murakkab.catalog import Capability
from murakkab.cli.options import journal_option, limits_from, seconds_of
from murakkab.cli.printing import answer, console_of, tell, write_to
from murakkab.cli.profile_tables import known_table, outcome_json, outcome_table
from murakkab.diagnostics import did_you_mean
from murakkab.errors import InputError, JobInterrupted, NotFoundError
from murakkab.measuring.bench import Bench
from murakkab.measuring.cold import ColdBench
from murakkab.measuring.power import Power
from murakkab.measuring.rows import Data, read_data
from murakkab.measuring.study import Outcome, Plan, Study, study_id
from murakkab.measuring.tools import core, meters
from murakkab.measuring.tools import metric as metric_named
from murakkab.ports import ProfileStore
from murakkab.profiles import Setting
from murakkab.profiling.codec import drift_json, profile_json, setting_key
from murakkab.profiling.halving import label
from murakkab.profiling.sharing import profiles_in, shared_text
from murakkab.runtime.driver import Work
from murakkab.types import ANY, Type

#: What scores a result where nobody says: by the kind of the result.
_METRICS: Final = {"str": "token_f1", "list": "set_f1", "record": "token_f1"}
_USUAL: Final = {"text-summary": "rouge_l", "speech-to-text": "word_accuracy", "object-listing": "set_f1"}


@dataclass(frozen=True, slots=True)
class Wish:
    """What the options of the command say, as text."""

    data: Path | None = None
    metric: str | None = None
    repeat: int = 3
    load: str = "1"
    budget: str | None = None
    limits: tuple[str, ...] = ()
    again: bool = False
    executors: tuple[str, ...] = ()
    trades: bool = False


def profile(what: str, wish: Wish, *, home: Path, as_json: bool) -> None:
    """Measure the executors of a capability, or a workflow file, and print a line per configuration."""
    settings = app.Settings(home=home, learn=False)
    target = _target(what)
    data, plan = _plan(target, wish)
    name = plan.metric
    with closing(app.open_profiles(settings)) as store:
        study = study_id(what if isinstance(target, Capability) else target.graph.digest, plan)
        if wish.again:
            store.forget(study)
        witness = _Shown(console_of(stderr=True), is_quiet=as_json)
        outcome = Outcome()
        with witness.shown():
            is_stopped = _run(target, plan, (settings, store, witness, outcome), study, wish.executors)
        _report(what, outcome, store, name, as_json=as_json)
        if not data.is_labelled and not as_json:
            tell("no row has a label, so nothing is known of quality: add `label` to the data, and --metric")
        if is_stopped:
            raise JobInterrupted("stopped", hint=f"what was measured is kept; the same command goes on{journal_option(home)}")
        if not outcome.is_whole and not as_json:
            tell("the budget is over; the same command goes on")


def _run(
    target: "Capability | Work", plan: Plan, parts: tuple[app.Settings, ProfileStore, "_Shown", Outcome], study: str, names: Sequence[str]
) -> bool:
    """Measure until it is done, the budget is over, or somebody stops it (then the answer is True). What was measured is in the store."""
    settings, store, witness, outcome = parts
    scorer = metric_named(plan.metric) if plan.metric else None

    async def main() -> None:
        async with app.open_runtime(settings) as runtime:
            cpu, gpu = meters()
            bench = Bench(runtime, Power(app.system_clock(), cpu, gpu, core()), scorer, plan.metric, study)
            under_way = Study(plan, bench, store, witness, app.system_clock(), outcome, ColdBench(settings.home, f"{study}:cold"))
            if isinstance(target, Capability):
                await under_way.of_capability(target, _cards(target, names), lambda card: app.most_at_once(card, settings))
            else:
                await under_way.of_workflow(target)

    try:
        asyncio.run(main())
    except (KeyboardInterrupt, asyncio.CancelledError):
        return True
    return False


def _target(what: str) -> Capability | Work:
    """Return the capability of that name, else the workflow of that file. Raises `NotFoundError`."""
    known = app.catalog().capabilities
    if what in known:
        return known[what]
    if Path(what).suffix in (".yaml", ".yml", ".json") or Path(what).exists():
        return app.load_file(what)
    raise NotFoundError(f"there is no capability {what!r}", hint=did_you_mean(what, known, others="name a workflow file, or one of"))


def _cards(capability: Capability, names: Sequence[str]) -> list[Any]:
    cards = list(app.catalog().providers(capability.name))
    for name in names:
        if all(card.name != name for card in cards):
            raise NotFoundError(
                f"no executor {name!r} provides {capability.name}",
                hint=did_you_mean(name, [card.name for card in cards], others="there are"),
            )
    return [card for card in cards if not names or card.name in names]


def _plan(target: Capability | Work, wish: Wish) -> tuple[Data, Plan]:
    if wish.data is None:
        raise InputError("there is nothing to measure with", hint='name a file of {"inputs": {...}, "label": ...} with --data')
    types, required, result = _interface(target)
    data = read_data(wish.data, types, required)
    metric = wish.metric
    if metric is None:
        usual = _USUAL.get(target.name) if isinstance(target, Capability) else None
        metric = (usual or _METRICS.get(result.kind, "exact_match")) if data.is_labelled else ""
    if metric:
        _try_metric(metric, data, target)
    limits = limits_from(wish.limits)
    seconds = None if wish.budget is None else seconds_of(wish.budget, "--budget")
    return data, Plan(data, max(1, wish.repeat), _loads(wish.load), seconds, limits, metric, wish.trades)


def _try_metric(name: str, data: Data, target: Capability | Work) -> None:
    """Raise `InputError` where a label cannot be scored, before anything is measured: a label should be a good result itself."""
    score = metric_named(name)
    outputs = {} if isinstance(target, Capability) else target.graph.workflow.outputs
    for row in data.rows:
        if row.label is None:
            continue
        is_of_outputs = isinstance(row.label, Mapping) and row.label and set(row.label) <= set(outputs)
        label = next(iter(row.label.values())) if is_of_outputs and len(row.label) == 1 else row.label
        try:
            score(label, label)
        except InputError as error:
            raise InputError(
                f"{row.name}: {name} cannot score the label: {error.message}", hint=error.hint or "name another --metric"
            ) from None


def _interface(target: Capability | Work) -> tuple[dict[str, Type], frozenset[str], Type]:
    if isinstance(target, Capability):
        inputs = {one.name: one.type for one in target.inputs}
        return inputs, frozenset(one.name for one in target.inputs if one.required), target.result
    workflow = target.graph.workflow
    outputs = list(workflow.outputs.values())
    required = frozenset(name for name, one in workflow.inputs.items() if one.required)
    return {name: one.type for name, one in workflow.inputs.items()}, required, outputs[0].type if outputs else ANY


def _loads(text: str) -> tuple[int, ...]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words or not all(word.isascii() and word.isdigit() and 0 < int(word) <= 1024 for word in words):
        raise InputError(f"{text!r} are no loads", hint="write how many tasks run at a time: --load 1,2,4")
    return tuple(sorted({1, *map(int, words)}))


def _report(what: str, outcome: Outcome, store: ProfileStore, metric: str, *, as_json: bool) -> None:
    wanted = {setting_key(setting) for setting in outcome.settings}
    profiles = {key: one for one in store.profiles() if (key := setting_key(one.setting)) in wanted}
    if as_json:
        found = outcome_json(outcome.settings, profiles, outcome.dropped)
        answer({"of": what, "metric": metric, "is_whole": outcome.is_whole, "configurations": found, "notes": outcome.notes}, plain=True)
        return
    console_of().print(outcome_table(outcome.settings, profiles, outcome.dropped, metric))
    tell(*outcome.notes)


class _Shown:
    """A progress bar on a terminal, else a line per configuration that is dropped."""

    def __init__(self, console: Console, *, is_quiet: bool) -> None:
        self._console = console
        self._is_quiet = is_quiet
        columns = (
            TextColumn("{task.description}"),
            BarColumn(24),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeElapsedColumn(),
        )
        self._progress = Progress(*columns, console=console, transient=True, disable=is_quiet or not console.is_terminal)
        self._task: TaskID = self._progress.add_task("", total=1)

    @contextmanager
    def shown(self) -> Iterator[None]:
        with self._progress:
            yield

    def measured(self, done: int, most: int, now: str) -> None:
        """Show how far it is; `most` shrinks with every configuration that is dropped."""
        self._progress.update(self._task, completed=done, total=max(most, done, 1), description=now)

    def dropped(self, setting: Setting, reason: str) -> None:
        """Tell of a configuration that is out."""
        if not self._is_quiet:
            self._console.print(f"dropped {label(setting)}: {reason}", style="dim", markup=False, highlight=False)


# ------------------------------------------------------------------------------------------------------- what is known


def profiles(home: Path, executor: str | None, *, as_json: bool) -> None:
    """Print what is known, of one executor or of all. Raises `NotFoundError` for an executor that is neither here nor in the profiles."""
    settings = app.Settings(home=home)
    found, drifts = [], []
    names = set(app.catalog().executors)
    if app.has_profiles(settings):
        with closing(app.open_profiles(settings)) as store:
            every = list(store.profiles())
            names |= {one.setting.executor for one in every}
            found = [one for one in every if executor in (None, one.setting.executor)]
            drifts = [one for one in store.drifts() if executor in (None, one.setting.executor)]
    if executor is not None and executor not in names:
        raise NotFoundError(f"there is no executor {executor!r}", hint=did_you_mean(executor, names, others="there are"))
    if as_json:
        answer({"profiles": [profile_json(one) for one in found], "drifts": [drift_json(one) for one in drifts]}, plain=True)
    elif found:
        console_of().print(known_table(found, drifts, time.time()))
    else:
        what = "nothing" if executor is None else f"nothing of {executor}"
        tell(f"{what} was measured in {home}: murakkab profile CAPABILITY --data FILE")


def export(home: Path, file: Path) -> None:
    """Write all profiles to a JSON file, to be shared. Raises `NotFoundError` where there are none."""
    settings = app.Settings(home=home)
    if not app.has_profiles(settings):
        raise NotFoundError(f"there are no profiles in {str(home)!r}", hint="murakkab profile CAPABILITY --data FILE measures some")
    with closing(app.open_profiles(settings)) as store:
        text = shared_text(store.profiles())
    write_to(None if str(file) == "-" else file, text)


def take_in(home: Path, file: Path) -> None:
    """Keep the profiles of a file that somebody has exported. Raises `NotFoundError`, `InputError`."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except OSError as error:
        raise NotFoundError(f"{str(file)!r} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{file} is no file of profiles: it is not text") from None
    found = profiles_in(text, str(file))
    with closing(app.open_profiles(app.Settings(home=home))) as store:
        count = store.put(found, time=time.time())
    tell(f"{count} of {len(found)} profiles were taken; the others are measured here already")

"""The public names: which there are, where they come from, and that nothing else overwrites them."""

import pkgutil
from types import ModuleType

import murakkab
import murakkab.errors
from murakkab.errors import MurakkabError

NAMES = {
    "declaring": {"workflow", "step", "capability", "load_workflow", "WorkflowHandle", "StepFunction", "CapabilityHandle", "WorkflowStep"},
    "inside a workflow": {"when", "first", "template", "each", "flatten", "size", "contains", "block", "Group", "finally_", "secret"},
    "waiting": {"approve", "wait", "wait_for"},
    "by name": {"use", "call", "subworkflow", "does", "NamedStep", "ref", "var", "item", "loop", "result", "error", "job"},
    "options": {"Retry", "OnError", "CachePolicy", "Effect", "Goal", "default_to", "fallback_to", "Repeat", "Need", "Prefer", "zipped"},
    "one of several": {"best_of", "debate", "BestOf", "Debate", "instead"},
    "values": {"File", "TypeText", "Input", "output"},
    "in the code of steps": {"spend", "check_cancelled"},
}


def _errors() -> set[str]:
    return {n for n, kind in vars(murakkab.errors).items() if isinstance(kind, type) and issubclass(kind, MurakkabError)}


def test_the_public_names_are_these() -> None:
    assert set(murakkab.__all__) == set().union(*NAMES.values(), _errors())
    assert len(murakkab.__all__) == len(set(murakkab.__all__))


def test_each_is_there_and_says_what_it_is() -> None:
    for name in murakkab.__all__:
        found = getattr(murakkab, name)
        assert not isinstance(found, ModuleType), name
        assert found.__doc__, name
        assert found.__module__.startswith("murakkab."), name


def test_no_public_name_is_the_name_of_a_module() -> None:
    """Importing `murakkab.load` sets `murakkab.load`: a function of that name would be gone after the first run."""
    modules = {module.name for module in pkgutil.iter_modules(murakkab.__path__)}
    assert "dsl" in modules
    assert not modules & set(murakkab.__all__)


def test_every_error_can_be_imported_from_the_top() -> None:
    assert _errors() <= set(murakkab.__all__)

"""`import murakkab` stays cheap: nothing heavy is imported before something runs. Measured in modules, for seconds are noisy."""

import subprocess
import sys

import pytest

#: What a program pays for only when it runs a workflow, reads a file or draws a table.
HEAVY = (
    "anyio",
    "asyncio",
    "cel",
    "concurrent.futures",
    "ctypes",
    "fastapi",
    "fsspec",
    "httpx",
    "importlib.metadata",
    "multiprocessing",
    "networkx",
    "numpy",
    "opentelemetry",
    "pydantic",
    "redis",
    "rich",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "typer",
    "unittest",
    "uvicorn",
    "yaml",
)
DECLARE = """
import murakkab

@murakkab.step
async def fetch(url: str) -> list[str]: return [url]

@murakkab.workflow
def reading(urls: list[str]) -> list[list[str]]:
    with murakkab.when(murakkab.size(urls) > 1):
        return fetch.map(urls)

assert reading.definition.steps["fetch"].when == "size(inputs.urls) > 1"
"""


def _imported_by(program: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys; print(*sys.modules)"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "program",
    ["import murakkab", "from murakkab import workflow, step", DECLARE],
    ids=["import", "from import", "declaring a workflow"],
)
def test_nothing_heavy_is_imported_before_something_runs(program: str) -> None:
    before = _imported_by("")
    imported = _imported_by(program)
    assert ("murakkab.api" in imported) is (program != "import murakkab")
    assert sorted((imported - before) & set(HEAVY)) == []
    assert not {name for name in imported if name.startswith(("murakkab_executors", "murakkab_cluster", "murakkab.app"))}


def test_running_a_workflow_imports_what_it_needs() -> None:
    imported = _imported_by("import murakkab.running")
    assert {"anyio", "asyncio", "yaml", "murakkab.app"} <= imported

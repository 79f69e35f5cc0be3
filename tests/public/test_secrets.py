"""A secret is nowhere to be found: not on disk, not in events, not in traces, not in what the command line prints.

The steps do all that a careless or hostile program does with one.
"""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from typer.testing import CliRunner

from murakkab import app
from murakkab.cli.app import app as commands
from murakkab.errors import InputError

TOKEN = "s3cr\"et/ha'sh+7 \\ end"
FILED = "line one of it\nline two; of it"
STEPS = """
import base64, json, logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

from murakkab.ports import Call

def raises(token: str) -> str:
    raise ValueError(f"the server says: bad token {token!r}")

def raises_from(token: str) -> str:
    try:
        raise KeyError(token)
    except KeyError as error:
        raise RuntimeError("something else") from error

def nested(token: str) -> Any:
    return {"list": [{"deep": [token, 1]}], "text": f"Bearer {token}", "json": json.dumps({"t": token}), "repr": repr(token)}

async def in_a_key(token: dict[str, str]) -> Any:
    return {token["value"]: "x", **token}

def encoded(token: str) -> Any:
    return {"all": base64.b64encode(token.encode()).decode(), "part": base64.b64encode(b"user:" + token.encode()).decode()}

def one_by_one(token: str) -> Iterator[str]:
    yield "first"
    yield token

async def one_by_one_later(token: str) -> AsyncIterator[dict[str, str]]:
    yield {token: token}

def echo(item: Any) -> Any:
    return item

def stored(token: str, call: Call) -> Any:
    return call.artifacts.put(b"\\x00" + token.encode() + b"\\xff", suffix=".bin")

def large(token: str) -> Any:
    return [token] * 20_000

def fails_once(token: str, call: Call) -> str:
    if call.attempt == 1:
        raise ValueError(token)
    return token

def slow(token: str) -> str:
    import time
    time.sleep(1)
    return token
"""
WORKFLOW = """
workflow: hostile
secrets: {token: "env:HOSTILE_TOKEN", filed: "file:FOLDER/token"}
steps:
  raises: {call: "hostile_steps:raises", with: {token: "${secrets.token}"}, on_error: {default: "gone"}}
  from: {call: "hostile_steps:raises_from", with: {token: "${secrets.filed}"}, on_error: {default: "gone"}}
  nested: {call: "hostile_steps:nested", with: {token: "${secrets.token}"}, effect: pure, cache: 1h}
  key: {call: "hostile_steps:in_a_key", with: {token: {value: "${secrets.token}", note: {$template: "x ${secrets.filed} y"}}}}
  encoded: {call: "hostile_steps:encoded", with: {token: "${secrets.token}"}}
  stream: {call: "hostile_steps:one_by_one", with: {token: "${secrets.token}"}}
  each: {call: "hostile_steps:echo", for_each: "${stream}", with: {item: "${item}"}}
  later: {call: "hostile_steps:one_by_one_later", with: {token: "${secrets.token}"}}
  stored: {call: "hostile_steps:stored", with: {token: "${secrets.token}"}}
  large: {call: "hostile_steps:large", with: {token: "${secrets.token}"}}
  once: {call: "hostile_steps:fails_once", with: {token: "${secrets.token}"}, retry: {attempts: 2, delay: 0}}
  slow: {call: "hostile_steps:slow", with: {token: "${secrets.token}"}, timeout: 50ms, on_error: {default: "gone"}}
  shell:
    uses: shell
    with: {argv: [sh, -c, 'echo "$T" >&2; echo "$T"; exit 3'], env: {T: "${secrets.token}"}}
    on_error: skip
  said: {uses: shell, with: {argv: [echo, {$template: "token=${secrets.token}"}]}}
outputs:
  nested: "${nested}"
  key: "${key}"
  encoded: "${encoded}"
  each: "${each}"
  later: "${later}"
  stored: "${stored}"
  large: "${large[0]}"
  once: "${once}"
  said: "${said.stdout}"
"""


def shapes(text: str) -> list[bytes]:
    """Return the secret as it may stand in a file, however it is written."""
    inside = base64.b64encode(b"user:" + text.encode()).decode()
    written = [text, json.dumps(text)[1:-1], repr(text)[1:-1], quote(text), text.encode().hex()]
    return [one.encode() for one in (*written, base64.b64encode(text.encode()).decode(), inside[8:-4])]


def nowhere(content: bytes, where: object) -> None:
    for shape in (*shapes(TOKEN), *shapes(FILED), *FILED.encode().splitlines()):
        assert shape not in content, f"{shape!r} is in {where}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "hostile_steps.py").write_text(STEPS)
    (tmp_path / "token").write_text(FILED + "\n")
    (tmp_path / "hostile.yaml").write_text(WORKFLOW.replace("FOLDER", str(tmp_path)))
    monkeypatch.setenv("HOSTILE_TOKEN", TOKEN)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.timeout(60)
def test_a_secret_is_nowhere_to_be_found_after_a_job(folder: Path) -> None:
    line = [sys.executable, "-c", "from murakkab.cli.app import main; main()", "run", "hostile.yaml", "--journal", "home", "--json"]
    environment = {**os.environ, "MURAKKAB_TRACE": "trace"}
    ended = subprocess.run(line, cwd=folder, capture_output=True, timeout=50, env=environment, check=False)
    assert ended.returncode == 0, ended.stderr.decode()
    nowhere(ended.stdout + ended.stderr, "run")
    result = json.loads(ended.stdout)

    outputs = result["outputs"]
    assert outputs["nested"]["text"] == "Bearer [secret token]"
    assert outputs["key"] == {"[secret token]": "x", "value": "[secret token]", "note": "x [secret filed] y"}
    assert outputs["each"] == ["first", "[secret token]"]
    assert outputs["said"] == "token=[secret token]\n"
    files = [path for path in (*(folder / "home").rglob("*"), folder / "trace") if path.is_file()]
    assert {"journal.db", "cache.db", "trace"} <= {path.name for path in files}
    for path in files:
        nowhere(path.read_bytes(), path)
    assert b"[secret token]" in (folder / "trace").read_bytes()
    for more in ([], ["--task", "raises"], ["--json"]):
        shown = CliRunner().invoke(commands, ["show", result["job"], "--journal", str(folder / "home"), *more])
        assert shown.exit_code == 0
        nowhere(shown.output.encode(), "show")


async def test_no_event_tells_a_secret(folder: Path) -> None:
    heard: list[Any] = []
    work = app.load_file(folder / "hostile.yaml")
    result = await app.run_work(work, {}, settings=app.Settings(home=folder / "home"), observers=[lambda job, event: heard.append(event)])

    result.raise_for_status()
    assert len(heard) > 20
    nowhere(repr(heard).encode(), "an event")
    nowhere(json.dumps(heard, default=repr).encode(), "an event")
    nowhere(repr(result).encode(), "the result")


async def test_a_job_does_not_begin_without_its_secrets(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOSTILE_TOKEN")
    with pytest.raises(InputError, match="the secret 'token' is missing: the environment variable HOSTILE_TOKEN is not set"):
        await app.run_work(app.load_file(folder / "hostile.yaml"), {}, settings=app.Settings(home=folder / "home"))


@pytest.mark.parametrize(("pin", "warns"), [("123", True), ("1234", False)])
def test_a_job_warns_of_a_secret_that_is_too_short_to_be_masked(tmp_path: Path, pin: str, warns: bool) -> None:
    (tmp_path / "pin.yaml").write_text(
        'workflow: pin\nsecrets: {pin: "env:PIN"}\nsteps: {a: {uses: shell, with: {argv: [printf, "%s", "${secrets.pin}"]}}}\n'
        'outputs: {said: "${a.stdout}"}\n'
    )
    line = [sys.executable, "-c", "from murakkab.cli.app import main; main()", "run", "pin.yaml", "--quiet"]
    ended = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "PIN": pin}, check=False)
    assert json.loads(ended.stdout) == {"said": pin if warns else "[secret pin]"}
    assert ("the secret 'pin' has 3 characters: too short to be masked" in ended.stderr) == warns

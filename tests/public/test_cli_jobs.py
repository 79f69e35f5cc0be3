"""The life of a job on the command line: asked, answered, sent to, cancelled, forked, looked at, thrown away."""

import json
import os
import pty
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.shells import Shell, shell

__all__ = ["shell"]

PAYMENT = """
workflow: payment
inputs: {amount: float}
steps:
  letter: {call: "cli_steps:count", with: {name: letter}}
  ok:
    approve: {message: {$template: "Pay ${inputs.amount}?"}, form: {limit: {type: float, default: 5.0}, who: str, note: str?}}
    after: [letter]
  pay: {call: "cli_steps:count", with: {name: "${ok.who}"}}
outputs: {limit: "${ok.limit}", paid: "${pay}"}
"""
EVENT = """
workflow: event
steps:
  paid: {wait: {event: paid, type: {amount: float}}}
  thanks: {call: "cli_steps:count", with: {name: "thanks"}, after: [paid]}
outputs: {amount: "${paid.amount}"}
"""
MAP = """
workflow: several
steps:
  ok: {approve: "Go on?", for_each: ["a", "b"]}
  end: {call: "cli_steps:last", with: {name: "end"}, after: [ok]}
outputs: {end: "${end}"}
"""
BOTH = """
workflow: both
steps:
  slow: {call: "cli_steps:slow", with: {name: Ann}}
  ok: {approve: "Fine?"}
outputs: {name: "${slow}", ok: "${ok.approved}"}
"""
CHAIN = """
workflow: chain
steps:
  one: {call: "cli_steps:count", with: {name: one}}
  two: {call: "cli_steps:count", with: {name: two}, after: [one]}
  three: {call: "cli_steps:count", with: {name: three}, after: [two], effect: EFFECT}
outputs: {text: "${three}"}
"""
MORE = """
def count(name: str) -> str:
    with open("calls", "a") as file:
        file.write(name + "\\n")
    return name
"""


@pytest.fixture
def life(shell: Shell) -> Shell:
    files = {"payment.yaml": PAYMENT, "event.yaml": EVENT, "several.yaml": MAP, "chain.yaml": CHAIN.replace("EFFECT", "write")}
    for name, text in {**files, "final.yaml": CHAIN.replace("EFFECT", "irreversible")}.items():
        (shell.folder / name).write_text(text)
    with (shell.folder / "cli_steps.py").open("a") as steps:
        steps.write(MORE)
    return shell


def calls(life: Shell) -> list[str]:
    file = life.folder / "calls"
    return file.read_text().split() if file.exists() else []


def waiting(life: Shell, file: str = "payment.yaml", *words: str) -> str:
    """Return the id of a job that waits."""
    inputs = ("-i", "amount=3") if file == "payment.yaml" else ()
    answer = life.json("run", file, *inputs, *words, status=8)
    assert answer["code"] == "job-waiting"
    return str(answer["job"])


# ------------------------------------------------------------------------------------------------------------------ answers


def test_a_job_that_asks_ends_as_waiting_and_tells_the_very_command_that_answers(life: Shell) -> None:
    done = life("run", "payment.yaml", "-i", "amount=3")
    assert done.status == 8
    assert done.out == ""
    (summary,) = life.json("jobs")
    assert summary["status"] == "waiting"
    assert "ok asks: Pay 3?" in done.err
    assert f"hint: murakkab approve {summary['job']} --set who=TEXT" in done.err.splitlines()


def test_the_answer_makes_the_job_go_on_and_nothing_before_it_runs_again(life: Shell) -> None:
    job = waiting(life)
    answer = life.json("approve", job, "--set", "who=Ann", "--set", "limit=2", "--by", "Bob")
    assert answer["outputs"] == {"limit": 2, "paid": "Ann"}
    assert calls(life) == ["letter", "Ann"]
    told = life.json("show", job, "--task", "ok")
    assert told["value"] == {"approved": True, "by": "Bob", "limit": 2, "who": "Ann", "note": None}


def test_a_no_fails_the_task(life: Shell) -> None:
    job = waiting(life)
    answer = life.json("approve", job, "--reject", status=1)
    assert answer["causes"][0]["reason"] == "rejected"
    assert answer["hint"] == f"a person said no; to ask once more: murakkab resume {job}"
    assert calls(life) == ["letter"]
    assert life.json("resume", job, status=8)["questions"][0]["task"] == "ok"


def test_an_answer_can_be_left_for_whoever_resumes_the_job(life: Shell) -> None:
    job = waiting(life)
    left = life.json("approve", job, "--set", "who=Ann", "--no-resume")
    assert (left["status"], left["heard"]) == ("interrupted", False)
    assert calls(life) == ["letter"]
    assert life.json("resume", job)["outputs"] == {"limit": 5.0, "paid": "Ann"}


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["--set", "limit=2"], 2, "field 'who' (str) is missing"),
        (["--set", "who=Ann", "--set", "limt=2"], 2, "did you mean 'limit'"),
        (["--set", "limit=much"], 2, "is not a number"),
        (["--set", "who"], 2, "is not of the form name=value"),
        (["pay"], 5, "asks nothing"),
        (["okay"], 4, "did you mean 'ok'"),
    ],
)
def test_an_answer_that_does_not_fit_is_explained(life: Shell, words: list[str], status: int, says: str) -> None:
    job = waiting(life)
    done = life("approve", job, *words)
    assert done.status == status, done.err
    assert says in done.err
    assert life.json("jobs")[0]["status"] == "waiting"


def test_with_several_questions_the_task_has_to_be_named(life: Shell) -> None:
    job = waiting(life, "several.yaml")
    done = life("approve", job)
    assert done.status == 2
    assert "name one of them: ok[0], ok[1]" in done.err
    assert life("approve", job, "ok[0]", "--quiet").status == 8
    assert life.json("approve", job, "ok[1]")["outputs"] == {"end": "end!"}
    assert "asks nothing" in life("approve", job).err or "no task" in life("approve", job).err


def test_an_event_is_sent_with_its_value(life: Shell) -> None:
    job = waiting(life, "event.yaml")
    assert "send it" not in life("send", job, "paid", "--value", "plain").err
    assert life("send", job, "paid", "--value", "plain").status == 2
    assert life("send", job, "payed", "--value", "{}").status == 4
    assert life("send", job, "paid", "--value", '{"amount": "much"}').status == 2
    assert life.json("send", job, "paid", "--value", '{"amount": 12.5}')["outputs"] == {"amount": 12.5}


def test_an_event_of_a_name_that_nothing_waits_for_is_told_what_is_waited_for(life: Shell) -> None:
    named = """
workflow: named
inputs: {number: int}
steps: {paid: {wait: {event: {$template: "paid ${inputs.number}"}, type: int}}}
outputs: {amount: "${paid}"}
"""
    (life.folder / "named.yaml").write_text(named)
    job = life.json("run", "named.yaml", "-i", "number=7", status=8)["job"]
    told = life("send", job, "paid 8", "--value", "5")
    assert told.err.splitlines()[0] == "nothing waits for the event 'paid 8' now: it is kept until something does; waited for: 'paid 7'"
    done = life("send", job, "paid 7", "--value", "5", "--quiet")
    assert (json.loads(done.out), done.err) == ({"amount": 5}, "")


def test_a_job_that_waits_is_not_finished(life: Shell) -> None:
    job = waiting(life, "several.yaml")
    (one,) = life.json("jobs")
    assert (one["finished"], one["stopped"] >= one["created"]) == (None, True)
    for task in ("ok[0]", "ok[1]"):
        life("approve", job, task)
    (one,) = life.json("jobs")
    assert one["finished"] == one["stopped"]


# ------------------------------------------------------------------------------------------------------- cancelled and forked


def test_a_waiting_job_is_cancelled_for_good(life: Shell) -> None:
    job = waiting(life)
    assert life.json("cancel", job, "--reason", "changed my mind") == {"job": job, "status": "cancelled"}
    assert life.json("jobs")[0]["status"] == "cancelled"
    assert life("cancel", job).status == 5
    assert "changed my mind" in life("logs", job).out


def test_one_task_is_passed_over_and_the_job_goes_on(life: Shell) -> None:
    job = waiting(life, "several.yaml")
    life.json("approve", job, "ok[0]", status=8)
    done = life.json("cancel", job, "ok[1]")
    assert done["outputs"] == {"end": "end!"}
    assert life("cancel", job, "--branch").status == 2


def test_a_fork_does_again_what_comes_after_a_step_and_keeps_the_rest(life: Shell) -> None:
    old = life.json("run", "chain.yaml")["job"]
    new = life.json("fork", old, "--from", "two")
    assert new["job"] != old
    assert new["outputs"] == {"text": "three"}
    assert calls(life) == ["one", "two", "three", "two", "three"]
    assert {one["status"] for one in life.json("jobs")} == {"succeeded"}
    left = life.json("fork", old, "--from", "three", "--no-resume")
    assert (left["kept"], left["resume"]) == (["one", "two"], f"murakkab resume {left['job']}")
    assert life("fork", old, "--from", "tow").status == 4


def test_what_cannot_be_undone_is_done_once_more_only_when_that_is_meant(life: Shell) -> None:
    old = life.json("run", "final.yaml")["job"]
    answer = life.json("fork", old, "--from", "two", status=5)
    assert "irreversible" in answer["message"]
    assert calls(life) == ["one", "two", "three"]
    assert life.json("fork", old, "--from", "two", "--yes")["status"] == "succeeded"
    assert calls(life) == ["one", "two", "three", "two", "three"]


def test_a_spent_budget_pauses_the_job_and_a_larger_one_lets_it_go_on(life: Shell) -> None:
    timed = CHAIN.replace("EFFECT", "write").replace("after: [one]}", "after: [one, nap]}\n  nap: {wait: 300ms}")
    (life.folder / "timed.yaml").write_text(timed)
    answer = life.json("run", "timed.yaml", "--budget", "time=100ms", status=9)
    assert answer["code"] == "job-paused"
    assert "--budget time=AMOUNT" in answer["hint"]
    assert life.json("resume", answer["job"], "--budget", "time=1h")["outputs"] == {"text": "three"}
    assert calls(life).count("one") == 1


# ------------------------------------------------------------------------------------------------------------- another process


@contextmanager
def running(life: Shell, file: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A run in a process of its own."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        life.command("run", file, *words), cwd=life.folder, env=life.environment, stdout=pipe, stderr=pipe, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def eventually(life: Shell, wanted: Any) -> Any:
    until = time.monotonic() + 15
    while time.monotonic() < until:
        if (found := wanted()) is not None:
            return found
        time.sleep(0.05)
    raise AssertionError("it never came to that")


def test_a_job_that_another_process_runs_hears_what_is_asked_of_it(life: Shell) -> None:
    (life.folder / "both.yaml").write_text(BOTH)
    with running(life, "both.yaml") as process:
        eventually(life, lambda: True if (life.folder / "begun").exists() else None)
        (job,) = (one["job"] for one in life.json("jobs"))
        assert life.json("approve", job) == {"job": job, "status": "running", "heard": True}
        (life.folder / "go").touch()
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert json.loads(out) == {"name": "Ann", "ok": True}


def test_logs_follow_a_job_until_it_ends(life: Shell) -> None:
    with running(life, "slow.yaml"):
        eventually(life, lambda: True if (life.folder / "begun").exists() else None)
        (job,) = (one["job"] for one in life.json("jobs"))
        command = life.command("logs", job, "--follow", "--json")
        with subprocess.Popen(command, cwd=life.folder, env=life.environment, stdout=subprocess.PIPE, text=True) as follower:
            assert follower.stdout is not None
            first = json.loads(follower.stdout.readline())
            (life.folder / "go").touch()
            rest = [json.loads(line) for line in follower.stdout]
    assert (first["seq"], first["event"], first["at"]) == (1, "JobSubmitted", 0)
    assert [(one["event"], one["task"]) for one in rest] == [("TaskSucceeded", "first"), ("TaskSucceeded", "second")]


# ----------------------------------------------------------------------------------------------------------------- looking back


def test_any_past_moment_can_be_looked_at(life: Shell) -> None:
    job = life.json("run", "chain.yaml")["job"]
    then = life.json("show", job, "--at", "2")
    assert {one["step"]: one["status"] for one in then["steps"]} == {"one": "succeeded", "two": "interrupted", "three": "waiting"} or {
        one["step"]: one["status"] for one in then["steps"]
    } == {"one": "succeeded", "two": "running", "three": "waiting"}
    assert life.json("show", job, "--at", "+1h")["status"] == "succeeded"
    assert life("show", job, "--at", "99").status == 2
    assert life("show", job, "--at", "soon").status == 2


def test_the_timeline_is_shown_and_written_as_a_picture(life: Shell) -> None:
    job = life.json("run", "chain.yaml")["job"]
    assert re.search(r"▸ one +[█░]+", life("show", job).out)
    assert life.json("show", job)["critical_path"] == ["one", "two", "three"]
    assert life("show", job, "--svg", "timeline.svg").status == 0
    ElementTree.parse(life.folder / "timeline.svg")
    assert life("show", job, "--svg", "no/such/folder.svg").status == 2


def test_logs_are_a_line_per_event(life: Shell) -> None:
    job = life.json("run", "chain.yaml")["job"]
    lines = life("logs", job).out.splitlines()
    assert len(lines) == 4
    assert "submitted with {}" in lines[0]
    assert re.search(r"\+.* two +succeeded in .*: \"two\"", lines[2])
    assert [json.loads(line)["task"] for line in life("logs", job, "--task", "two", "--json").out.splitlines()] == ["two"]
    assert life("logs", job, "--task", "four").status == 4


def test_jobs_can_be_picked_by_status(life: Shell) -> None:
    job = waiting(life)
    life.json("run", "chain.yaml")
    assert [one["job"] for one in life.json("jobs", "--status", "waiting")] == [job]
    assert len(life.json("jobs", "-n", "1")) == 1
    assert life("jobs", "--status", "wating").status == 2


def test_old_jobs_are_thrown_away_when_asked(life: Shell) -> None:
    for _ in range(3):
        life.json("run", "chain.yaml")
    job = waiting(life)
    planned = life.json("clean", "--keep", "1", "--dry-run")
    assert (len(planned["jobs"]), planned["dry_run"]) == (2, True)
    assert len(life.json("jobs")) == 4
    assert life.json("clean", "--keep", "1")["jobs"] == planned["jobs"]
    assert job in {one["job"] for one in life.json("jobs")}
    assert len(life.json("jobs")) == 2
    assert life("clean", "--older-than", "long ago").status == 2
    assert "--older-than 30d" in life("clean").err


# ------------------------------------------------------------------------------------------------------------------ a terminal


class Terminal:
    """A command with a terminal of its own."""

    def __init__(self, life: Shell, *words: str) -> None:
        self.master, slave = pty.openpty()
        environment = {**life.environment, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
        self.process = subprocess.Popen(life.command(*words), cwd=life.folder, env=environment, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        self.text = ""

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)

    def until(self, words: str) -> None:
        """Read until *words* are there, and forget what came before."""
        limit = time.monotonic() + 15
        while words not in (plain := _PLAIN.sub("", self.text)):
            assert time.monotonic() < limit, plain
            read = self._read()
            assert read, plain
            self.text += read
        self.text = plain.partition(words)[2]

    def type(self, line: str) -> None:
        os.write(self.master, f"{line}\n".encode())

    def end(self) -> int:
        """Return the exit status."""
        while self._read():
            pass
        return self.process.wait(timeout=15)

    def _read(self) -> str:
        try:
            return os.read(self.master, 65536).decode(errors="replace")
        except OSError:
            return ""


#: What colours and moves the cursor.
_PLAIN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def test_on_a_terminal_the_person_is_asked_and_the_job_goes_on(life: Shell) -> None:
    with Terminal(life, "run", "payment.yaml", "-i", "amount=3") as terminal:
        terminal.until("[y]es, [n]o, or [l]ater")
        terminal.type("y")
        terminal.until("limit")
        terminal.type("much")
        terminal.until("is not a number")
        terminal.type("4")
        terminal.until("who (str)")
        terminal.type("")
        terminal.until("it is needed")
        terminal.type("Ann")
        terminal.until("note (str?)")
        terminal.type("")
        terminal.until('"paid"')
        assert terminal.end() == 0
    (job,) = (one["job"] for one in life.json("jobs"))
    assert life.json("show", job)["outputs"] == {"limit": 4, "paid": "Ann"}


def test_on_a_terminal_later_leaves_the_job_waiting(life: Shell) -> None:
    with Terminal(life, "run", "payment.yaml", "-i", "amount=3") as terminal:
        terminal.until("[l]ater")
        terminal.type("l")
        terminal.until("murakkab approve")
        assert terminal.end() == 8
    assert life.json("jobs")[0]["status"] == "waiting"


def test_without_a_journal_a_question_is_answered_in_the_same_process(life: Shell) -> None:
    with Terminal(life, "run", "several.yaml", "--no-journal") as terminal:
        for _ in range(2):
            terminal.until("[l]ater")
            terminal.type("y")
        terminal.until("end!")
        assert terminal.end() == 0
    assert life.json("jobs") == []


def test_a_prompt_ends_when_the_question_is_answered_elsewhere_and_the_result_is_printed(life: Shell) -> None:
    with Terminal(life, "run", "payment.yaml", "-i", "amount=3") as terminal:
        terminal.until("[l]ater")
        (job,) = (one["job"] for one in life.json("jobs"))
        assert life.json("approve", job, "--set", "who=Ann")["outputs"] == {"limit": 5.0, "paid": "Ann"}
        terminal.until("answered elsewhere")
        terminal.until('"paid": "Ann"')
        assert terminal.end() == 0
    assert calls(life) == ["letter", "Ann"]


def test_of_several_questions_those_that_nobody_has_answered_are_asked_on(life: Shell) -> None:
    with Terminal(life, "run", "several.yaml") as terminal:
        terminal.until("ok[0] asks: Go on?")
        terminal.until("[l]ater: ")
        (job,) = (one["job"] for one in life.json("jobs"))
        assert life("approve", job, "ok[0]").status == 8
        terminal.until("answered elsewhere")
        terminal.until("ok[1] asks: Go on?")
        terminal.until("[l]ater: ")
        assert life("approve", job, "ok[1]", "--no-resume").status == 0
        terminal.until("end!")
        assert terminal.end() == 0
    assert life.json("jobs")[0]["status"] == "succeeded"


def test_one_answer_of_several_is_not_followed_by_all_that_is_known_already(life: Shell) -> None:
    job = waiting(life, "several.yaml")
    told = life("approve", job, "ok[0]").err.splitlines()
    assert [line for line in told if "asks: Go on?" in line] == [f"error[job-waiting]: job {job} waits: ok[1] asks: Go on?"]
    assert not any("duration" in line for line in told)
    assert any("duration" in line for line in life("approve", job, "ok[1]").err.splitlines())

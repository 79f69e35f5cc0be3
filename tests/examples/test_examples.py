"""Every numbered example runs as a reader would run it, and prints what it should, to the letter."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from murakkab.document import json_schema

#: What each example prints.
PRINTED = {
    "01_hello.py": "Hello world\n",
    "02_yaml.py": "{'greetings': ['Hello, Ada!', 'Hello, Grace!'], 'crowd': 'That is a crowd.\\n'}\n",
    "03_map.py": "10 tasks, the last was commonest\nEmma stands 2 times in emma, alice\n",
    "04_conditions.py": """\
{'action': 'PAGED: 2 times !: The site is down!! #web', 'note': 'noted: it has tags'}
{'action': 'PAGED: 0 times !: All is lost #outage', 'note': 'noted: it has tags'}
{'action': 'queued with 0 tags', 'note': None}
!((triage.urgency >= 2) || ("outage" in triage.tags))
""",
    "05_errors_and_retries.py": """\
{'call': 'Ann answered at attempt 3', 'halves': [1, 2], 'weather': 'no forecast'}
after 1 attempt: the card was refused
""",
    "06_refine.py": """\
{'text': 'Of the sea, and of whales, and of ropes, and of storms', 'score': 1.0}
draft#0/write draft#0/judge draft#1/write draft#1/judge draft#2/write draft#2/judge draft#3/write draft#3/judge
""",
    "07_subworkflows.py": """\
STOP PRESS!
{'short': ['The rain fell.', 'A ship came.'], 'first': 'The rain fell. The cat slept.'}
['THE RAIN FELL.!', 'A SHIP CAME.!']
""",
    "10_waiting.py": "waiting: paid kite-7\nrounds: 3\nsucceeded: kite-7 goes to Ann\n",
    "11_budgets.py": """\
paused after 3 tasks and $1.20: cost: 1.2 of 1 USD is spent
succeeded after 5 tasks and $2.00: ['eno', 'owt', 'eerht', 'ruof', 'evif']
""",
    "12_profiles.py": """\
dev: lead-summary says 'in 1: Rain fell all day.'
prod: pagerank-summary says 'in 2: The cat sat on the mat. The dog saw the cat on the mat.'
without: 5 attempts, 0.01 s apart
""",
    "13_secrets.py": """\
succeeded {'said': 'published home with [secret token]\\n'}
the last step wrote: home: succeeded
the secret is in what was kept: False
failed test ended with status 1; list the statuses that are fine in ok_exit {}
the last step wrote: draft: failed
the secret is in what was kept: False
""",
    "14_streaming.py": """\
TaskYielded write Of fish.
TaskSucceeded say[0] OF FISH.
TaskYielded write They are many.
TaskYielded write The end.
TaskSucceeded say[1] THEY ARE MANY.
TaskSucceeded say[2] THE END.
TaskSucceeded write ['Of fish.', 'They are many.', 'The end.']
""",
    "15_text_to_sql.py": """\
[['drum']] by select title from articles order by price desc limit 1
mended: True changed: None
waiting: This changes 3 rows: update articles set price = price / 2
changed: 3 rows, allowed by Eve
[('kite', 6.0), ('drum', 15.0), ('top', 2.0)]
""",
    "16_best_of.py": """\
{'voted': 'snow', 'judged': 'snow', 'agreed': 'fog'}
{'voted': 'rain', 'judged': 'rain', 'agreed': 'sun'} agreed voted
""",
}
#: Run by tests of their own, below.
OTHERS = {"08_quorum.yaml", "09_approvals.py"}
NUMBERED = sorted(path.name for path in (Path(__file__).parents[2] / "examples").glob("[0-9]*.*"))
FILES = [name for name in NUMBERED if name.endswith(".yaml")]


def ran(*words: object, cwd: Path) -> str:
    """Return what a command prints that ends well."""
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, cwd=cwd, env=dict(os.environ), check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def python(script: Path, *words: str, cwd: Path) -> str:
    return ran(sys.executable, "-W", "error", script, *words, cwd=cwd)


def murakkab(*words: object, cwd: Path) -> str:
    return ran(Path(sys.executable).with_name("murakkab"), *words, cwd=cwd)


def test_there_are_sixteen_and_each_is_run() -> None:
    assert {name[:2] for name in NUMBERED} == {f"{number:02}" for number in range(1, 17)}
    assert {name for name in NUMBERED if name.endswith(".py")} == PRINTED.keys() | {name for name in OTHERS if name.endswith(".py")}
    named = {name[:2] for name in PRINTED.keys() | OTHERS}
    assert named == {name[:2] for name in NUMBERED}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", PRINTED)
def test_an_example_prints_what_it_should(name: str, root: Path, tmp_path: Path) -> None:
    assert python(root / "examples" / name, cwd=tmp_path) == PRINTED[name]


@pytest.mark.timeout(60)
def test_a_vote_goes_on_with_the_first_three_answers(root: Path, tmp_path: Path) -> None:
    words = ("run", "08_quorum.yaml", "-i", "question=Which colour has the sky?", "--journal", tmp_path, "--quiet")
    assert json.loads(murakkab(*words, cwd=root / "examples")) == {"votes": ["blue", "green", "blue"], "answer": "blue", "quick": "green"}


@pytest.mark.timeout(60)
def test_another_process_goes_on_with_what_people_have_answered(root: Path, tmp_path: Path) -> None:
    script = root / "examples" / "09_approvals.py"
    begun = python(script, cwd=tmp_path).splitlines()
    job = begun[2].split()[1]
    assert begun == [
        "  drafting the letter to Ann",
        "  drafting the letter to Bob",
        f"job {job} is waiting",
        "  customer[0]/ok: To Ann: Dear Ann, please pay. Send it?",
        "  customer[1]/ok: To Bob: Dear Bob, please pay. Send it?",
    ]
    # Nothing is drafted again.
    assert python(script, job, cwd=tmp_path) == "succeeded {'result': ['Dear Ann, please pay. 12.50 EUR.']}\n"


@pytest.mark.timeout(60)
def test_every_file_is_valid_where_its_functions_are(root: Path) -> None:
    told = murakkab("validate", "--strict", *FILES, cwd=root / "examples")
    assert [line.partition(": ")[0] for line in told.splitlines()] == FILES


@pytest.mark.parametrize("name", FILES)
def test_an_editor_knows_the_fields_of_a_file(name: str, root: Path) -> None:
    text = (root / "examples" / name).read_text()
    assert text.startswith("# yaml-language-server: $schema=../workflows/workflow.schema.json\n")
    jsonschema.validate(yaml.safe_load(text), json_schema())


@pytest.mark.parametrize("name", [*NUMBERED, "stand_ins.py", "sql_steps.py"])
def test_an_example_is_short_and_says_what_it_teaches(name: str, root: Path) -> None:
    lines = (root / "examples" / name).read_text().splitlines()
    assert len(lines) < 60
    assert lines[0].startswith(("# ", '"""'))

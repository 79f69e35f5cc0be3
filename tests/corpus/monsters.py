"""Files that are made to exhaust whoever reads them, too large to keep; and what it takes to refuse them.

Run as a program it loads some and prints what is said of each, and how many seconds of a processor and megabytes that took.
"""

import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

#: Bytes of address space and seconds of processor time beyond which a process is ended.
_SPACE: Final = 4 << 30
_SECONDS: Final = 20
_ATTEMPTS: Final = 3
_HEAD: Final = "workflow: monster\n"
_PAUSE: Final = "steps: {a: {wait: 1s}}\n"

Text = str | Iterable[str]


class Monster(NamedTuple):
    """Files by name, the main one first; `profile`: the one that is chosen."""

    name: str
    files: Callable[[], Mapping[str, Text]]
    profile: str = ""


class Measured(NamedTuple):
    """What is said of a file, and what finding that out took."""

    said: list[str]
    seconds: float
    megabytes: float


def measured(monsters: Sequence[Monster], folder: Path) -> dict[str, Measured]:
    """Write *monsters* into *folder* and load each in a process of its own. Where the machine is busy they get further chances."""
    lines: list[str] = []
    for monster in monsters:
        files = monster.files()
        (here := folder / monster.name).mkdir()
        for name, text in files.items():
            with (here / name).open("w", encoding="utf-8") as file:
                file.writelines([text] if isinstance(text, str) else text)
        lines.append(json.dumps([str(here), next(iter(files)), monster.profile]))
    line = [sys.executable, __file__, *lines]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:] or done.returncode
    return {monster.name: Measured(*found) for monster, found in zip(monsters, json.loads(done.stdout), strict=True)}


def _main(*lines: str) -> None:
    from murakkab import app

    sys.path.insert(0, str(Path(__file__).parent))
    app.catalog()
    app.load_text('workflow: small\nsteps: {a: {call: "corpus_steps:fetch", with: {url: x}}}', "small")
    found: list[list[Any]] = []
    for line in lines:
        attempts = [_in_a_fork(*json.loads(line))]
        while attempts[-1][1] >= 1.0 and len(attempts) < _ATTEMPTS:
            attempts.append(_in_a_fork(*json.loads(line)))
        found.append(min(attempts, key=lambda attempt: float(attempt[1])))
    print(json.dumps(found))  # noqa: T201


def _in_a_fork(folder: str, file: str, profile: str) -> list[Any]:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.chdir(folder)
        with os.fdopen(writing, "w") as result:
            result.write(json.dumps(_loaded(file, profile)))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as result:
        text = result.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else [["it took too much and was ended"], float(_SECONDS), 0.0]


def _loaded(file: str, profile: str) -> Measured:
    from murakkab import app
    from murakkab.errors import SpecError

    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (_SPACE, _SPACE))
    began = time.process_time()
    try:
        said = [str(one) for one in app.load_file(file, profile=profile, with_profiles=True).warnings]
    except SpecError as error:
        said = [str(one) for one in error.diagnostics]
    return Measured(said, time.process_time() - began, _peak() / 1e6)


def _peak() -> int:
    """Return how many bytes this process has had at once. What the system counts on Linux begins with its parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) * 1024  # type: ignore[index]
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


# -------------------------------------------------------------------------------------------------------------- the monsters


def _one(text: Callable[[], Text]) -> Callable[[], Mapping[str, Text]]:
    return lambda: {"main.yaml": text()}


def _steps(count: int, step: Callable[[int], str], head: str = "") -> Callable[[], Mapping[str, Text]]:
    return _one(lambda: [_HEAD, head, "steps:\n", *(f"  s{i}: {step(i)}\n" for i in range(count))])


def _fetch(url: str, more: str = "") -> str:
    return f'{{call: "corpus_steps:fetch", with: {{url: {url}}}{more}}}'


def _laughs() -> Iterator[str]:
    yield _HEAD + "inputs:\n  a0: {type: any, default: &a0 [lol, lol]}\n"
    for i in range(30):
        yield f"  a{i + 1}: {{type: any, default: &a{i + 1} [{', '.join([f'*a{i}'] * 10)}]}}\n"


def _diamond() -> Iterator[str]:
    yield _HEAD + "workflows:\n  w0: {steps: {x: {wait: 1s}}}\n"
    for i in range(19):
        yield f"  w{i + 1}: {{steps: {{x: {{workflow: w{i}}}, y: {{workflow: w{i}}}}}}}\n"
    yield "steps: {x: {workflow: w19}, y: {workflow: w19}}\n"


def _ring_of_files() -> Mapping[str, Text]:
    names = ["main.yaml", *(f"f{i}.yaml" for i in range(15))]
    return {name: f"{_HEAD}steps: {{a: {{workflow: ./{after}}}}}\n" for name, after in zip(names, [*names[1:], names[0]], strict=True)}


def _chain_of_files() -> Mapping[str, Text]:
    return {
        name: f"{_HEAD}steps: {{a: {{workflow: ./f{i}.yaml}}}}\n"
        for i, name in enumerate(["main.yaml", *(f"f{i}.yaml" for i in range(300))])
    }


def _diamond_of_files() -> Mapping[str, Text]:
    both = _HEAD + "steps: {a: {workflow: ./f%d.yaml}, b: {workflow: ./f%d.yaml}}\n"
    return {
        "main.yaml": both % (0, 0),
        **{f"f{i}.yaml": both % (i + 1, i + 1) for i in range(18)},
        "f18.yaml": _HEAD + "steps: {a: {wait: 1s}}\n",
    }


def _record() -> Iterator[str]:
    yield _HEAD + "inputs: {x: {type: {" + ", ".join(f"f{i}: int" for i in range(10_000)) + "}}}\nsteps:\n"
    for i in range(400):
        yield f'  a{i}: {{call: "corpus_steps:fetch", with: {{url: "${{inputs.x}}"}}}}\n'
        yield f'  b{i}: {{call: "corpus_steps:fetch", with: {{url: "${{inputs.x.g{i}}}"}}}}\n'


def _profiles() -> Iterator[str]:
    yield _HEAD + "profiles:\n"
    for i in range(300):
        yield f"  p{i}: {{steps: {{{', '.join(f's{j}: {{timeout: 3x}}' for j in range(30))}}}}}\n"
    yield "steps:\n"
    for i in range(30):
        yield f"  s{i}: {_fetch('x')}\n"


def _profile() -> Iterator[str]:
    yield _HEAD + "profiles:\n  big:\n    steps:\n"
    for i in range(10_000):
        yield f"      s{i}: {{timeout: 3x}}\n"
    yield f"steps: {{s0: {_fetch('x')}}}\n"


MONSTERS: Final[tuple[Monster, ...]] = (
    Monster("a-billion-laughs", _one(_laughs)),
    Monster("a-scalar-of-100-megabytes", _one(lambda: (_HEAD, "description: ", *("x" * 1_000_000 for _ in range(100))))),
    Monster("a-million-steps", _steps(1_000_000, lambda i: _fetch("x"))),
    Monster("a-million-brackets", _one(lambda: "[" * 999_000)),
    Monster("lists-in-lists", _one(lambda: f"{_HEAD}inputs: {{x: {{default: {'[' * 100_000}{']' * 100_000}}}}}\n")),
    Monster("mappings-in-mappings", _one(lambda: [_HEAD, *(f"{' ' * i}a:\n" for i in range(1300))])),
    Monster("dashes", _one(lambda: "- " * 400_000)),
    Monster("json-in-json", lambda: {"main.json": '{"a":' * 100_000 + "1" + "}" * 100_000}),
    Monster("types-in-types", _one(lambda: f"{_HEAD}inputs: {{x: {'list[' * 90_000}int{']' * 90_000}}}\n{_PAUSE}")),
    Monster("brackets-of-types", _one(lambda: f"{_HEAD}inputs: {{x: {'list[{' * 90_000}{'}]' * 90_000}}}\n{_PAUSE}")),
    Monster("a-diamond-of-2-to-the-20", _one(_diamond)),
    Monster("a-diamond-of-files", _diamond_of_files),
    Monster("a-ring-of-files", _ring_of_files),
    Monster("a-chain-of-files", _chain_of_files),
    Monster("files-that-are-not-there", _one(lambda: [_HEAD, "workflows:\n", *(f" w{i}: g{i}.yaml\n" for i in range(20_000))])),
    Monster("steps-that-are-none", _steps(100_000, lambda i: "1")),
    Monster("a-hundred-thousand-mistakes", _one(lambda: [_HEAD, *(f"{i:x}:\n" for i in range(100_000))])),
    Monster("unknown-fields", _one(lambda: [_HEAD, "steps:\n s:\n", *(f"  x{i}: 1\n" for i in range(24_000))])),
    Monster("unknown-names", _steps(4_000, lambda i: _fetch(f'"${{t{i}}}"'))),
    Monster("misspelt-names", _steps(4_000, lambda i: _fetch(f'"${{s{i}x}}"'))),
    Monster("unknown-functions", _steps(5_000, lambda i: f'{{call: "no_such_module_{i}:f"}}')),
    Monster("keys-that-come-twice", _one(lambda: [_HEAD, "steps:\n", *(" a: 1\n" for _ in range(90_000))])),
    Monster("bad-types", _one(lambda: [_HEAD, "inputs:\n", *(f" a{i}: &b{i} txt\n" for i in range(24_000))])),
    Monster("unknown-outputs", _one(lambda: [_HEAD, _PAUSE, "outputs:\n", *(f'  o{i}: "${{x{i}}}"\n' for i in range(12_000))])),
    Monster("holes", _steps(1, lambda i: _fetch(f"{{$template: '{'${b}' * 200_000}'}}"))),
    Monster("a-long-way", _steps(1, lambda i: _fetch(f'"${{a{".b" * 400_000}}}"'))),
    Monster("a-long-name", _one(lambda: f"{_HEAD}steps:\n  ? {'b' * 900_000}\n  : {{}}\n")),
    Monster("a-long-reference", _steps(1, lambda i: _fetch(f'"${{{"b" * 900_000}}}"'))),
    Monster("a-long-condition", _steps(1, lambda i: _fetch("x", f", when: '{'a && ' * 180_000}a'"))),
    Monster("conditions", _steps(800, lambda i: _fetch("x", f", when: '{' && '.join(f'x{j} > {j}' for j in range(35))}'"))),
    Monster("a-record-of-many-fields", _one(_record)),
    Monster("loop-variables", _steps(1, lambda i: _fetch("x", f", for_each: {{{', '.join(f'a{j}: [1]' for j in range(15_000))}}}"))),
    Monster("a-ring-of-steps", _steps(3_000, lambda i: f"{{wait: 1s, after: s{(i + 1) % 3_000}}}")),
    Monster("many-profiles", _one(_profiles)),
    Monster("a-large-profile", _one(_profile), profile="big"),
    Monster("defaults-for-all", _steps(1_000, lambda i: _fetch("x"), f"defaults: {{on_error: {{default: [{'x, ' * 10_000}x]}}}}\n")),
    Monster("spaces", _one(lambda: f"{_HEAD}timeout: '{' ' * 900_000}x'\n")),
    Monster("digits", _one(lambda: f"{_HEAD}timeout: {'9' * 900_000}\n")),
    Monster("nulls", _one(lambda: "\0" * 900_000)),
    Monster("dollars", _steps(1, lambda i: _fetch(f"{{$template: '{'${' * 450_000}'}}"))),
)


if __name__ == "__main__":
    _main(*sys.argv[1:])

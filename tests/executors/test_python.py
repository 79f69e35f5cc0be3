"""Python functions as steps, and how a name becomes a function."""

import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from murakkab.errors import ExecutorError, InputError, NotFoundError
from murakkab.ports import Call
from murakkab.runtime.artifacts import LocalArtifacts
from murakkab_executors.python import PythonExecutor, load_function


async def ran(target: Callable[..., Any], **inputs: Any) -> Any:
    return await PythonExecutor().run(Call("t", 1, inputs, {}, LocalArtifacts("unused"), target))


@dataclass
class Point:
    x: int
    y: int = 0


async def test_async_functions_run_on_the_loop_and_others_beside_it() -> None:
    def plain(a: int, b: int = 2) -> list[int]:
        return [a, b, int(threading.current_thread() is threading.main_thread())]

    async def on_loop(a: int, b: int = 2) -> list[int]:
        return plain(a, b)

    assert await ran(on_loop, a=1) == [1, 2, 1]
    assert await ran(plain, a=1, b=3) == [1, 3, 0]


async def test_values_are_converted_by_the_annotations() -> None:
    async def moved(point: Point, by: Point) -> Point:
        return Point(point.x + by.x, point.y + by.y)

    def moved_plainly(point: Point, by: Point) -> Point:
        return Point(point.x + by.x, point.y + by.y)

    for function in (moved, moved_plainly):
        assert await ran(function, point={"x": 1}, by={"x": 2, "y": 3}) == {"x": 3, "y": 3}


async def test_a_function_may_take_the_call() -> None:
    async def named(x: int, call: Call) -> str:
        return f"{call.task} {x}"

    def stored(text: str, call: Call) -> Any:
        return call.attempt

    assert await ran(named, x=1) == "t 1"
    assert await ran(stored, text="a") == 1


async def test_every_kind_of_callable_is_called() -> None:
    class Adder:
        def __init__(self, amount: int) -> None:
            self.amount = amount

        def __eq__(self, other: object) -> bool:  # unhashable, as dataclasses are
            return self is other

        async def __call__(self, x: int) -> int:
            return x + self.amount

        def method(self, x: int) -> int:
            return x - self.amount

    adder = Adder(10)
    assert await ran(adder, x=1) == 11
    assert await ran(adder.method, x=1) == -9
    assert await ran(functools.partial(adder.method, x=5)) == -5
    assert await ran(lambda x: adder(x), x=2) == 12
    assert await ran(lambda **everything: everything, a=1, b=[2]) == {"a": 1, "b": [2]}


async def test_one_executor_serves_many_functions_and_forgets_old_ones() -> None:
    one = PythonExecutor()

    def made(number: int) -> Callable[[], Any]:
        async def function() -> int:
            return number

        return function

    for number in range(5000):
        assert await one.run(Call("t", 1, {}, {}, LocalArtifacts("unused"), made(number))) == number
    assert len(one._bindings) <= 4096


@pytest.mark.parametrize("is_async", [True, False])
async def test_wrong_names_are_not_tried_again(is_async: bool) -> None:
    async def on_loop(x: int) -> int:
        return x

    def plain(x: int) -> int:
        return x

    with pytest.raises(ExecutorError, match="unexpected keyword argument 'z'") as caught:
        await ran(on_loop if is_async else plain, x=1, z=1)
    assert (caught.value.reason, caught.value.retryable) == ("bad-input", False)


async def test_a_type_error_inside_the_function_is_its_own() -> None:
    async def wrong(x: int) -> Any:
        return x + "a"  # type: ignore[operator]

    with pytest.raises(TypeError, match="unsupported operand"):
        await ran(wrong, x=1)


async def test_a_result_that_is_no_json_is_refused() -> None:
    async def wrong() -> Any:
        return {"lock": threading.Lock()}

    with pytest.raises(ExecutorError, match=r"result\.lock is lock") as caught:
        await ran(wrong)
    assert caught.value.reason == "bad-result"


async def test_cancelling_stops_an_async_function() -> None:
    ended: list[str] = []

    async def endless() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("yes")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ran, endless)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()

    assert ended == ["yes"]


# ----------------------------------------------------------------------------------------------------------- load_function


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package of a name that no other test uses, importable for one test."""
    name = f"package_{tmp_path.name}".replace("-", "_")
    folder = tmp_path / name
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "steps.py").write_text("class Box:\n    @staticmethod\n    def open(): ...\ndef clean(): ...\nVALUE = 3\n")
    (folder / "broken.py").write_text("\nx = 1 / 0\n")
    (folder / "needy.py").write_text("import no_such_library\n")
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_a_name_becomes_its_function(package: str) -> None:
    assert load_function(f"{package}.steps:clean").__name__ == "clean"
    assert load_function(f"{package}.steps:Box.open").__qualname__ == "Box.open"


@pytest.mark.parametrize("target", ["", "steps", "steps.clean", "steps:", ":clean", "a b:c", "steps:clean()", "../x:y", "steps:a:b"])
def test_what_does_not_look_like_a_function_is_refused_unimported(target: str) -> None:
    with pytest.raises(InputError, match="write module:function"):
        load_function(target)


def test_a_misspelt_function_is_not_found_with_the_nearest(package: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        load_function(f"{package}.steps:claen")
    assert caught.value.message.startswith(f"there is no 'claen' in {package}.steps (")
    assert caught.value.hint == "did you mean 'clean'?"


def test_a_misspelt_module_is_not_found_with_the_nearest(package: str) -> None:
    with pytest.raises(NotFoundError, match=rf"there is no module '{package}\.stepps'; did you mean '{package}\.steps'\?"):
        load_function(f"{package}.stepps:clean")
    with pytest.raises(NotFoundError, match="did you mean 'pydantic'"):
        load_function("pydantik:BaseModel")


def test_what_is_no_function_is_said_to_be_none(package: str) -> None:
    with pytest.raises(InputError, match="VALUE is int, not a function"):
        load_function(f"{package}.steps:VALUE")


def test_a_module_that_fails_says_where(package: str) -> None:
    with pytest.raises(InputError, match=r"cannot be imported: ZeroDivisionError: division by zero \(.*broken\.py:2\)"):
        load_function(f"{package}.broken:f")


@pytest.mark.parametrize(
    ("line", "said"), [("sys.exit(3)", "SystemExit(3)"), ("sys.exit()", "SystemExit()"), ("sys.exit('no')", "SystemExit('no')")]
)
def test_a_module_that_ends_the_program_is_a_mistake(line: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ended the whole process, without a word."""
    (tmp_path / "leaving.py").write_text(f"import sys\n{line}\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError) as refused:
        load_function("leaving:f")
    assert refused.value.message == f"leaving cannot be imported: {said}"
    assert "__main__" in refused.value.hint


def test_a_module_that_misses_another_names_it(package: str) -> None:
    with pytest.raises(InputError, match=r"needs the module 'no_such_library'.*pip install no_such_library"):
        load_function(f"{package}.needy:f")


async def test_a_step_that_changes_its_input_changes_it_for_nobody_else() -> None:
    """Consumers of one value shared the list itself, so a change by one reached the others, and a resumed job saw something else."""

    async def spoil(items: list[dict[str, int]]) -> int:
        items[0]["n"] = 99
        items.append({})
        return len(items)

    def spoil_in_a_thread(items: list[dict[str, int]]) -> int:
        items[0]["n"] = 98
        items.clear()
        return len(items)

    inputs = {"items": [{"n": 1}]}
    assert await ran(spoil, **inputs) == 2
    assert await ran(spoil_in_a_thread, **inputs) == 0
    assert inputs == {"items": [{"n": 1}]}


async def test_a_step_that_raises_keyboard_interrupt_in_its_thread_fails_alone() -> None:
    """It ended the process with a traceback, though Ctrl-C never reaches a thread."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(ExecutorError, match="KeyboardInterrupt, raised by the function itself"):
        await ran(interrupt)


def test_a_misspelt_module_may_also_be_out_of_reach_and_a_missing_function_is_not() -> None:
    with pytest.raises(NotFoundError) as no_module:
        load_function("pydantik:BaseModel")
    assert no_module.value.hint == "did you mean 'pydantic'? is it installed, or its folder on PYTHONPATH?"
    with pytest.raises(NotFoundError) as no_guess:
        load_function("jsom:loads")
    assert no_guess.value.hint == "is it installed, or its folder on PYTHONPATH?"
    with pytest.raises(NotFoundError) as no_function:
        load_function("os:no_such_thing_here")
    assert "PYTHONPATH" not in str(no_function.value)


def test_a_module_that_python_cannot_read_is_told_with_the_line_at_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "cannot_be_read.py"
    file.write_text("def f() -> int:\n    return (1\n")
    with pytest.raises(InputError) as wrong:
        load_function("cannot_be_read:f")
    assert str(file) in wrong.value.message
    assert wrong.value.message.endswith(":2)")
    assert "frozen" not in wrong.value.message

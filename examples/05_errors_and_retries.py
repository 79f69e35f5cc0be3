# When steps fail: try again, skip, take a default, give up - and what the caller sees in each case.
from collections import Counter

import anyio

from murakkab import ExecutorError, JobFailed, Retry, default_to, step, workflow

attempts: Counter[str] = Counter()


@step(retry=Retry(attempts=3, delay=0.01))
async def flaky(name: str) -> str:
    attempts[name] += 1
    if attempts[name] < 3:
        raise ConnectionError("the line is busy")
    return f"{name} answered at attempt {attempts[name]}"


@step(on_error="skip")
def half(number: int) -> int:
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number // 2


@step(timeout=0.05, on_error=default_to("no forecast"))
async def forecast() -> str:
    await anyio.sleep_forever()
    return "never"


@step(retry=5)
def pay(amount: int) -> str:
    attempts["pay"] += 1
    raise ExecutorError("the card was refused", retryable=False)  # another attempt cannot help


@workflow
def day(numbers: list[int]) -> dict[str, object]:
    """Do what can be done."""
    return {"call": flaky("Ann"), "halves": half.map(numbers), "weather": forecast()}


@workflow
def shopping(amount: int) -> str:
    """Pay, or fail."""
    return pay(amount)


if __name__ == "__main__":
    print(day.run([1, 2, 3, 4]))
    try:
        shopping.run(10)
    except JobFailed as error:
        print(f"after {attempts['pay']} attempt: {error.causes[0].message}")

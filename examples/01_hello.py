# The smallest workflow: a typed function is a step, a function that calls steps is a workflow, and running it gives a typed value.
from murakkab import step, workflow


@step
async def greet(name: str) -> str:
    return f"Hello {name}"


@workflow
def hello(name: str) -> str:
    return greet(name)


if __name__ == "__main__":
    print(hello.run("world"))

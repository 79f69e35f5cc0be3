# Several results of which one is kept: attempts that are voted on or judged, and a debate; how many there are is a knob.
from murakkab import best_of, debate, step, var, workflow

GUESSES = ("rain", "snow", "snow", "hail", "snow")


@step(effect="pure")
def guess(question: str, attempt: int) -> str:
    # A function stands in the place of a model here: each attempt says something else.
    return GUESSES[attempt]


@step(effect="pure")
def pick(candidates: list[str], season: str) -> str:
    # And here in the place of a judge, who knows the season.
    return next((one for one in candidates if season != "winter" or one == "snow"), candidates[0])


@step(effect="pure")
def argue(seat: int, mine: str | None, others: list[str]) -> str:
    # In round zero everybody has an opinion; later one gives in where all the others agree.
    if mine is None:
        return ("sun", "fog", "fog")[seat]
    return others[0] if len(set(others)) == 1 else mine


@workflow
def forecast(question: str) -> dict[str, str]:
    """Of several numbers the first is the usual one; `murakkab plan` chooses by the goal."""
    voted = guess.with_options(name="voted", best_of=[5, 3, 1])(question, var("attempt"))
    judging = best_of([2, 1], judge=lambda candidates: pick(candidates, "winter"), accuracy=0.9)
    judged = guess.with_options(name="judged", best_of=judging)(question, var("attempt"))
    talk = var("debate")
    agreed = argue.with_options(name="agreed", debate=debate(3, [1, 0]))(talk.seat, talk.mine, talk.others)
    return {"voted": voted, "judged": judged, "agreed": agreed}


def main() -> None:
    print(forecast.run("What will the weather be?"))
    # One attempt, no round: nothing is left but the steps themselves, of which two are the same; nobody is asked to judge.
    alone = forecast.options(knobs={"voted.n": 1, "judged.n": 1, "agreed.rounds": 0}).run_job("What will the weather be?")
    print(alone.outputs, *sorted(task.task for task in alone.tasks))


if __name__ == "__main__":
    main()

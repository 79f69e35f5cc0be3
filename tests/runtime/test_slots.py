"""Who may run now: never more than there is, everything given back, most critical first, nobody forgotten."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from murakkab.runtime.slots import SlotTable

CAPACITY = {"cores": 4.0, "gpu": 8.0, "api": 2.0}
RATE = 2.0


class SlotMachine(RuleBasedStateMachine):
    """Tickets that ask, are granted, give back and withdraw, while the clock moves."""

    def __init__(self) -> None:
        super().__init__()
        self.table = SlotTable(CAPACITY, {"api": RATE})
        self.now = 0.0
        self.needs: dict[int, dict[str, float]] = {}
        self.ranks: dict[int, float] = {}
        self.held: set[int] = set()
        self.waiting: set[int] = set()
        self.starts: list[float] = []

    def granted(self, tickets: list[Any]) -> None:
        for ticket in tickets:
            assert ticket in self.waiting, f"{ticket} is granted and did not wait"
            rivals = [one for one in self.waiting if self.needs[one] == self.needs[ticket]]
            best = max(rivals, key=lambda one: (self.ranks[one], -one))
            assert ticket == best, "one that is less critical, or came later, goes first"
            self.waiting.remove(ticket)
            self.take(ticket)

    def take(self, ticket: int) -> None:
        self.held.add(ticket)
        if "api" in self.needs[ticket]:
            self.starts.append(self.now)

    @rule(
        needs=st.dictionaries(st.sampled_from(list(CAPACITY)), st.sampled_from([0.0, 0.1, 0.5, 1.0, 3.0, 100.0])),
        rank=st.integers(0, 3),
    )
    def ask(self, needs: dict[str, float], rank: int) -> None:
        ticket = len(self.needs)
        self.needs[ticket] = fitting = self.table.fitting(needs)
        self.ranks[ticket] = float(rank)
        if self.table.ask(ticket, fitting, float(rank), self.now):
            assert not [one for one in self.waiting if self.needs[one] == fitting], "one jumps the queue"
            self.take(ticket)
        else:
            self.waiting.add(ticket)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(sorted(self.held)))
        self.held.remove(ticket)
        self.granted(self.table.give_back(ticket, self.now))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(sorted(self.waiting)))
        self.waiting.remove(ticket)
        assert self.table.withdraw(ticket)
        assert not self.table.withdraw(ticket)

    @rule(seconds=st.sampled_from([0.1, 0.5, 2.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.granted(self.table.grant_waiting(self.now))

    @invariant()
    def within_capacity(self) -> None:
        for name, amount in CAPACITY.items():
            used = sum(self.needs[ticket].get(name, 0.0) for ticket in self.held)
            assert used <= amount + 1e-6
            assert self.table.free[name] == pytest.approx(amount - used)

    @invariant()
    def within_rate(self) -> None:
        gaps = [later - earlier for earlier, later in zip(self.starts, self.starts[1:], strict=False)]
        assert all(gap >= 1 / RATE - 1e-9 for gap in gaps)

    @invariant()
    def nobody_waits_for_what_is_there(self) -> None:
        """Who waits is held up by what others hold, or by a start rate, which then says when it is due."""
        free = {name: amount - sum(self.needs[one].get(name, 0.0) for one in self.held) for name, amount in CAPACITY.items()}
        fitting = [one for one in self.waiting if all(free[name] >= amount for name, amount in self.needs[one].items())]
        due = self.table.due()
        assert all("api" in self.needs[one] for one in fitting), "there is room, and somebody waits"
        assert (due is not None) == bool(fitting)
        assert due is None or self.now < due <= self.now + 1 / RATE + 1e-9

    def teardown(self) -> None:
        while self.held or self.waiting:
            if self.held:
                ticket = self.held.pop()
                self.granted(self.table.give_back(ticket, self.now))
            else:
                due = self.table.due()
                assert due is not None, f"{self.waiting} wait for ever"
                self.now = due
                self.granted(self.table.grant_waiting(self.now))
        assert self.table.is_idle()
        assert self.table.free == pytest.approx(CAPACITY)


SlotMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestSlots = SlotMachine.TestCase


def test_what_fits_is_granted_at_once() -> None:
    table = SlotTable({"cores": 2})

    assert table.ask("a", {"cores": 1}, 0, 0)
    assert table.ask("b", {"cores": 1}, 0, 0)
    assert not table.ask("c", {"cores": 1}, 0, 0)
    assert table.give_back("a", 0) == ["c"]


def test_a_need_larger_than_what_exists_is_cut_to_all_of_it() -> None:
    table = SlotTable({"cores": 2})

    assert table.fitting({"cores": 16, "gpu": 0}) == {"cores": 2}


def test_a_need_of_something_that_does_not_exist_is_refused() -> None:
    with pytest.raises(KeyError, match="gpu"):
        SlotTable({"cores": 2}).fitting({"gpu": 1})


def test_the_most_critical_goes_first_and_equals_in_the_order_they_came() -> None:
    table = SlotTable({"cores": 1})
    table.ask("running", {"cores": 1}, 0, 0)
    for ticket, rank in (("b", 1), ("c", 1), ("a", 2), ("d", 0)):
        assert not table.ask(ticket, {"cores": 1}, rank, 0)

    order: list[Any] = ["running"]
    while order[-1] != "d":
        order += table.give_back(order[-1], 0)
    assert order == ["running", "a", "b", "c", "d"]


def test_one_that_waits_for_something_else_holds_nobody_up() -> None:
    table = SlotTable({"cores": 2, "gpu": 1})
    table.ask("g", {"gpu": 1}, 0, 0)
    assert not table.ask("h", {"gpu": 1, "cores": 1}, 9, 0)

    assert table.ask("c", {"cores": 2}, 0, 0)


def test_nobody_waits_behind_one_that_withdrew() -> None:
    table = SlotTable({"api": 10.0}, {"api": 1.0})
    assert table.ask("a", {"api": 1}, 0, 0.0)
    assert not table.ask("b", {"api": 1}, 0, 0.0)
    table.withdraw("b")

    assert table.due() is None
    assert table.ask("c", {"api": 1}, 0, 1.0)


def test_a_rate_spaces_the_starts_and_says_when_the_next_is_due() -> None:
    table = SlotTable({"api": 10.0}, {"api": 4.0})
    assert table.ask("a", {"api": 1}, 0, 100.0)
    assert not table.ask("b", {"api": 1}, 0, 100.0)
    assert not table.ask("c", {"api": 1}, 0, 100.1)

    assert table.due() == 100.25
    assert table.grant_waiting(100.2) == []
    assert table.grant_waiting(100.25) == ["b"]
    assert table.due() == 100.5


def test_a_rate_is_not_what_a_ticket_without_room_waits_for() -> None:
    table = SlotTable({"api": 1.0}, {"api": 4.0})
    table.ask("a", {"api": 1}, 0, 100.0)
    table.ask("b", {"api": 1}, 0, 100.0)

    assert table.due() is None
    assert table.give_back("a", 101.0) == ["b"]


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.7]), min_size=1, max_size=50))
def test_fractions_of_cores_add_up_again(amounts: list[float]) -> None:
    table = SlotTable({"cores": 1.0})
    held: list[Any] = [i for i, amount in enumerate(amounts) if table.ask(i, {"cores": amount}, 0, 0)]
    while held:
        held += table.give_back(held.pop(), 0)

    assert table.free["cores"] == pytest.approx(1.0)
    assert table.is_idle()


def test_ten_tenths_of_a_core_fit_into_one() -> None:
    table = SlotTable({"cores": 1.0})

    assert all(table.ask(i, {"cores": 0.1}, 0, 0) for i in range(10))
    assert not table.ask("more", {"cores": 0.1}, 0, 0)


def test_one_that_withdraws_and_asks_again_waits_at_the_end() -> None:
    table = SlotTable({"cores": 1})
    table.ask("running", {"cores": 1}, 0, 0)
    table.ask("first", {"cores": 1}, 9, 0)
    table.ask("a", {"cores": 1}, 5, 0)
    table.ask("b", {"cores": 1}, 1, 0)
    table.withdraw("a")
    table.ask("a", {"cores": 1}, 1, 0)

    assert table.give_back("running", 0) == ["first"]
    assert table.give_back("first", 0) == ["b"]
    assert table.give_back("b", 0) == ["a"]
    assert table.give_back("a", 0) == []
    assert table.is_idle()


def test_a_rate_holds_up_only_those_that_start_there() -> None:
    table = SlotTable({"api": 10.0, "cores": 1.0}, {"api": 1.0})
    table.ask("a", {"api": 1}, 0, 0.0)
    assert not table.ask("b", {"api": 1, "cores": 1}, 9, 0.0)

    assert table.ask("c", {"cores": 1}, 0, 0.0)
    assert table.due() is None
    assert table.give_back("c", 0.5) == []
    assert table.due() == 1.0


def test_a_wait_longer_than_the_gap_saves_up_no_starts() -> None:
    table = SlotTable({"api": 10.0}, {"api": 1.0})
    table.ask("a", {"api": 1}, 0, 0.0)

    assert table.ask("b", {"api": 1}, 0, 100.0)
    assert not table.ask("c", {"api": 1}, 0, 100.5)


def seconds_per_grant(tickets: int) -> float:
    """Return what a grant costs while *tickets* wait for the same."""
    table = SlotTable({"cores": 1.0})
    needs = {"cores": 1.0}
    table.ask(-1, needs, 0.0, 0.0)
    for ticket in range(tickets):
        table.ask(ticket, needs, float(ticket % 7), 0.0)
    held: Any = -1
    grants = 500
    began = time.process_time()
    for _ in range(grants):
        (held,) = table.give_back(held, 0.0)
    return (time.process_time() - began) / grants


def test_a_grant_costs_the_same_however_many_wait() -> None:
    few = min(seconds_per_grant(1_000) for _ in range(5))
    many = min(seconds_per_grant(20_000) for _ in range(5))

    assert many < 5 * few


def test_withdrawing_costs_the_same_however_many_wait() -> None:
    table = SlotTable({"cores": 1.0})
    table.ask(-1, {"cores": 1.0}, 0.0, 0.0)
    for ticket in range(50_000):
        table.ask(ticket, {"cores": 1.0}, 0.0, 0.0)
    began = time.process_time()
    assert all(table.withdraw(ticket) for ticket in range(50_000))
    took = time.process_time() - began

    assert took < 1.0
    assert table.give_back(-1, 0.0) == []
    assert table.is_idle()

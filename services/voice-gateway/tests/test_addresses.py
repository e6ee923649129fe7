"""Which address of a service a stream gets: literal times, no network."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.adapters.addresses import Address, Addresses, Refused, Target, Turn, listed
from voice_gateway.adapters.pool import Listeners, Pool
from voice_gateway.errors import Misconfigured, Rejected, ServiceError, TimedOut, Unavailable
from voice_gateway.observe.upstreams import UpstreamWatch
from voice_gateway.testing import virtual_time

DOWN = Unavailable("tts", "it broke")
REFUSED = Refused("tts", "nobody listens")
SILENT = TimedOut("tts", "no answer")


@dataclass
class Service:
    """Addresses a, b, c … that all were up at their first look, and a clock that is set by hand."""

    names: str = "ab"
    now: float = 100.0
    changes: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        targets = [Target(name, name) for name in self.names]
        self.addresses = Addresses(targets, lambda: self.now, self._changed)
        for address in self.addresses.listed:
            self.addresses.seen(address)
        self.changes.clear()

    def __getitem__(self, name: str) -> Address:
        return next(a for a in self.addresses.listed if a.target.dialled == name)

    def chosen(self) -> str:
        """Whom a stream would get that ends at once, without an answer."""
        turn = self.addresses.choose()
        turn.end()
        return name_of(turn)

    def tried(self, name: str, fault: ServiceError | None = None) -> None:
        """A stream at this address that is answered, or fails."""
        turn = self.turn_at(name)
        if fault:
            turn.failed(fault)
        else:
            turn.answered()
        turn.end()

    def turn_at(self, name: str) -> Turn:
        address = self[name]
        return Turn(address, self.addresses, address.take(0, self.now))

    def states(self) -> dict[str, str]:
        return {a.target.dialled: a.state(self.now) for a in self.addresses.listed}

    def _changed(self, address: Address) -> None:
        self.changes.append(f"{address.target.dialled} {'up' if address.up else 'down'}")


def name_of(turn: Turn) -> str:
    return turn.address.target.dialled


class TestSpread:
    def test_streams_go_to_the_least_loaded_and_round_among_equals(self):
        service = Service("abc")
        assert [name_of(service.addresses.choose()) for _ in range(6)] == list("abcabc")

    def test_short_streams_go_round_too(self):
        service = Service("abc")
        assert [service.chosen() for _ in range(6)] == list("abcabc")

    def test_an_address_that_is_freed_is_next(self):
        service = Service()
        turns = [service.addresses.choose() for _ in range(4)]
        turns[1].end()
        assert service.chosen() == "b"


class TestFaults:
    def test_the_next_attempt_goes_elsewhere(self):
        service = Service()
        service.tried("a", DOWN)
        assert [service.chosen() for _ in range(3)] == ["b", "b", "b"]
        service.now += 5.0
        assert service.chosen() == "a"

    def test_where_both_failed_the_one_that_failed_first_is_tried(self):
        service = Service()
        service.tried("a", SILENT)
        service.now += 1.0
        service.tried("b", SILENT)
        assert service.chosen() == "a"

    def test_three_faults_in_a_row_open_it_and_an_answer_in_between_does_not(self):
        service = Service()
        for fault in (DOWN, DOWN, None, DOWN, DOWN):
            service.tried("a", fault)
        assert service.states() == {"a": "shunned", "b": "closed"}
        service.tried("a", DOWN)
        assert service.states() == {"a": "open", "b": "closed"}

    def test_one_refused_connection_opens_it(self):
        service = Service()
        service.tried("a", REFUSED)
        assert service.states()["a"] == "open"

    def test_what_the_caller_asked_for_wrongly_counts_for_nothing(self):
        service = Service()
        for _ in range(9):
            service.tried("a", Rejected("tts", "no such voice"))
        assert service.states()["a"] == "closed"

    def test_what_the_operator_must_mend_is_shunned_and_never_opens(self):
        service = Service()
        for _ in range(9):
            service.tried("a", Misconfigured("tts", "wrong key"))
        assert service.states()["a"] == "shunned"

    def test_where_all_are_open_the_least_recently_failed_is_tried(self):
        service = Service("abc")
        for name in "bca":
            service.now += 0.1
            service.tried(name, REFUSED)
        assert set(service.states().values()) == {"open"}
        assert service.chosen() == "b"


class TestProbe:
    def test_one_stream_is_let_through_after_a_wait_that_grows(self):
        service = Service("a")
        waits: list[float] = []
        for _ in range(7):
            service.tried("a", REFUSED)
            began = service.now
            while service.states()["a"] == "open":
                service.now += 0.5
            waits.append(service.now - began)
            service.now += 5.0
        assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]

    def test_there_is_one_probe_at_a_time(self):
        service = Service()
        service.tried("a", REFUSED)
        service.now += 6.0
        probe = service.addresses.choose()
        assert name_of(probe) == "a"
        assert service.states()["a"] == "open"
        assert [service.chosen() for _ in range(3)] == ["b", "b", "b"]
        probe.answered()
        probe.end()
        assert service.states()["a"] == "closed"

    def test_a_probe_that_is_given_up_makes_room_for_the_next(self):
        service = Service()
        service.tried("a", REFUSED)
        service.now += 6.0
        service.addresses.choose().end()
        assert service.states()["a"] == "closed"

    def test_a_probe_that_stays_without_an_answer_is_not_waited_for_without_end(self):
        service = Service()
        service.tried("a", REFUSED)
        service.now += 6.0
        service.addresses.choose()
        service.now += 10.0
        assert service.states()["a"] == "closed"

    def test_a_long_stream_that_was_the_probe_holds_no_later_one_up(self):
        service = Service()
        service.tried("a", REFUSED)
        service.now += 6.0
        long = service.addresses.choose()
        long.answered()
        service.tried("a", REFUSED)
        service.now += 6.0
        assert service.states()["a"] == "closed"
        probes = [service.addresses.choose() for _ in range(3)]
        long.end()
        assert "a" in map(name_of, probes)
        assert service.states()["a"] == "open"

    def test_a_hundred_streams_that_die_together_do_not_make_the_wait_long(self):
        service = Service("a")
        turns = [service.addresses.choose() for _ in range(100)]
        for turn in turns:
            turn.failed(REFUSED)
            turn.end()
        service.now += 1.0
        assert service.states()["a"] != "open"


class TestLooks:
    def test_one_slow_look_is_no_news_and_two_are(self):
        service = Service()
        service.addresses.missed(service["a"])
        assert service.changes == []
        assert service.chosen() == "b"
        service.addresses.missed(service["a"])
        assert service.changes == ["a down"]

    def test_a_look_in_between_begins_anew(self):
        service = Service()
        for _ in range(5):
            service.addresses.missed(service["a"])
            service.addresses.seen(service["a"])
        assert service.changes == []

    def test_the_first_look_ever_is_believed(self):
        service = Service("a")
        (address,) = Addresses([Target("x", "x")], lambda: 0.0).listed
        address.missed(0.0)
        assert address.up is False
        assert service["a"].up

    def test_an_answer_to_a_call_outweighs_looks_that_fail(self):
        service = Service()
        service.tried("a")
        for _ in range(9):
            service.now += 1.0
            service.addresses.missed(service["a"])
        assert service.changes == []
        service.now += 2.0
        service.addresses.missed(service["a"])
        service.addresses.missed(service["a"])
        assert service.changes == ["a down"]

    def test_an_answer_to_a_call_brings_an_address_back(self):
        service = Service()
        service.addresses.missed(service["a"])
        service.addresses.missed(service["a"])
        service.tried("a")
        assert service.changes == ["a down", "a up"]

    def test_a_look_ends_what_a_refused_connection_began(self):
        service = Service()
        service.tried("a", REFUSED)
        service.addresses.seen(service["a"])
        assert service.states()["a"] == "shunned"
        service.now += 5.0
        assert service.states()["a"] == "closed"

    def test_a_look_does_not_end_what_failing_streams_began(self):
        service = Service()
        for _ in range(3):
            service.tried("a", SILENT)
        service.addresses.seen(service["a"])
        assert service.states()["a"] == "open"

    def test_what_was_not_looked_at_yet_is_taken_only_where_nothing_is_up(self):
        service = Service("ab")
        service.addresses.keep([Target("a", "a"), Target("new", "new")])
        assert [service.chosen() for _ in range(2)] == ["a", "a"]
        service.addresses.seen(service["new"])
        assert service.chosen() == "new"


class TestList:
    def test_a_record_that_vanished_gets_no_stream_and_keeps_those_it_has(self):
        service = Service()
        turn = service.addresses.choose()
        (gone,) = service.addresses.keep([Target("b", "b"), Target("c", "c")])
        assert (gone.target.dialled, gone.gone, gone.streams) == ("a", True, 1)
        service.addresses.seen(service["c"])
        assert {service.chosen() for _ in range(4)} == {"b", "c"}
        turn.answered()
        turn.end()
        assert gone.streams == 0

    def test_what_is_known_of_a_record_is_kept(self):
        service = Service()
        service.tried("b", REFUSED)
        service.addresses.keep([Target("c", "c"), Target("b", "b")])
        assert service.states()["b"] == "open"

    @pytest.mark.parametrize("text", ["a:1,b:2", "a:1 b:2", " a:1 ,, b:2 , a:1"])
    def test_a_setting_lists_items_each_once(self, text: str):
        assert listed(text) == ("a:1", "b:2")


class Scripted:
    """A connection whose looks find the next of these; the last one stays."""

    def __init__(self, found: list[str | ServiceError]) -> None:
        self._found = found
        self.closed = False

    async def check(self) -> str:
        found = self._found.pop(0) if len(self._found) > 1 else self._found[0]
        if isinstance(found, str):
            return found
        raise found

    async def close(self) -> None:
        self.closed = True


@dataclass
class Watched:
    """A service of scripted connections under a real watch, on a virtual clock."""

    found: dict[str, list[str | ServiceError]]
    changes: list[tuple[float, bool]] = field(default_factory=list[tuple[float, bool]])

    async def for_a_while(self, seconds: float, call: Callable[[], Any] | None = None) -> None:
        loop = asyncio.get_running_loop()

        def note(name: str, up: bool) -> None:
            self.changes.append((loop.time(), up))

        targets = [Target(name, name) for name in self.found]
        self.pool = Pool(
            "tts",
            targets,
            lambda target: Scripted(self.found[target.dialled]),
            Listeners(on_trouble=lambda: watch.hurry("tts")),
        )
        watch = UpstreamWatch({"tts": self}, note)
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(watch.run())
            if call:
                await call()
            await asyncio.sleep(seconds)
            watching.cancel()

    async def check(self) -> str:
        return await self.pool.look(Scripted.check)

    async def called_every_second(self) -> None:
        for _ in range(200):
            await asyncio.sleep(1.0)
            with self.pool.lease() as lease:
                lease.answered()


class TestReadiness:
    @pytest.mark.parametrize("wrong", [SILENT, DOWN, Misconfigured("tts", "404")])
    def test_one_look_that_fails_changes_nothing(self, wrong: ServiceError):
        service = Watched({"a": ["v", wrong, "v", "v", wrong, "v"]})
        virtual_time.run(service.for_a_while(300.0))
        assert service.changes == [(0.0, True)]

    def test_a_service_that_went_is_down_a_second_after_the_first_look(self):
        service = Watched({"a": ["v", DOWN]})
        virtual_time.run(service.for_a_while(60.0))
        (_, up), (at, down) = service.changes
        assert (up, down) == (True, False)
        assert 25.0 <= at <= 37.0  # the interval with its jitter, and a second

    def test_one_address_that_answers_is_enough(self):
        service = Watched({"a": [DOWN], "b": [SILENT], "c": ["v"]})
        virtual_time.run(service.for_a_while(300.0))
        assert service.changes == [(0.0, True)]

    def test_it_is_down_where_none_answers_and_says_how_many(
        self, caplog: pytest.LogCaptureFixture
    ):
        service = Watched({"a": ["v", DOWN], "b": ["v", "v", DOWN]})
        virtual_time.run(service.for_a_while(300.0))
        assert [up for _, up in service.changes] == [True, False]
        assert "none of 2 addresses answers: it broke" in caplog.text

    def test_calls_that_are_answered_outweigh_a_check_that_never_works(self):
        service = Watched({"a": ["v", Misconfigured("tts", "404")]})
        virtual_time.run(service.for_a_while(0.0, service.called_every_second))
        assert service.changes == [(0.0, True)]

    def test_a_call_that_is_answered_brings_it_up_before_the_next_look(self):
        service = Watched({"a": [DOWN]})

        async def call() -> None:
            await asyncio.sleep(30.0)
            with service.pool.lease() as lease:
                lease.answered()

        virtual_time.run(service.for_a_while(2.0, call))
        assert [up for _, up in service.changes] == [False, True]

    def test_an_address_that_lets_a_call_wait_is_looked_at_before_the_call_gives_up(self):
        service = Watched({"a": ["v", SILENT], "b": ["v"]})
        states: list[int] = []

        async def call() -> None:
            await asyncio.sleep(2.0)
            with service.pool.lease():
                await asyncio.sleep(4.5)
                states.append(len(service.pool.up))

        virtual_time.run(service.for_a_while(0.0, call))
        assert states == [1]

    def test_an_address_that_is_gone_is_closed_once_it_is_idle(self):
        service = Watched({"a": ["v"], "b": ["v"]})
        closed: list[bool] = []

        async def call() -> None:
            await asyncio.sleep(1.0)
            with service.pool.lease() as lease:
                service.pool.keep([Target("b", "b")])
                await service.check()
                closed.append(lease.connection.closed)
            await service.check()
            closed.append(lease.connection.closed)

        virtual_time.run(service.for_a_while(0.0, call))
        assert closed == [False, True]


class TestLeaving:
    """A stream waits at `a` for 30 s at most; the looks find what is listed."""

    def waited(
        self, found: dict[str, list[str | ServiceError]], before: ServiceError | None = None
    ) -> tuple[float, str]:
        """How long it waited, and the fault; `before` is one of a stream at `b` just before."""
        service, outcome = Watched(found), list[tuple[float, str]]()

        async def call() -> None:
            await asyncio.sleep(2.0)
            if before:
                self.fail_at("b", service.pool, before)
            began = asyncio.get_running_loop().time()
            with pytest.raises(TimedOut) as fault:
                await self.wait(service.pool)
            outcome.append((asyncio.get_running_loop().time() - began, fault.value.text))

        virtual_time.run(service.for_a_while(0.0, call))
        return outcome[0]

    def fail_at(self, name: str, pool: Pool[Any], fault: ServiceError) -> None:
        found = ""
        while found != name:
            with suppress(ServiceError), pool.lease() as lease:
                found = lease.turn.address.target.dialled
                raise fault if found == name else Rejected("tts", "it counts for nothing")

    async def wait(self, pool: Pool[Any]) -> None:
        with pool.lease() as lease:
            assert lease.turn.address.target.dialled == "a"
            try:
                async with asyncio.timeout(30.0) as limit:
                    lease.waits(limit)
                    await asyncio.sleep(60.0)
            except TimeoutError:
                raise TimedOut("tts", "no answer for 30 s") from None

    def test_an_address_that_answers_no_look_is_left(self):
        waited_s, said = self.waited({"a": ["v", SILENT], "b": ["v"]})
        assert waited_s == pytest.approx(4.0, abs=0.3)
        assert said == "a answers neither a stream nor a look"

    def test_one_that_answers_looks_is_slow_and_is_waited_for(self):
        assert self.waited({"a": ["v"], "b": ["v"]}) == (30.0, "no answer for 30 s")

    def test_the_only_address_is_waited_for(self):
        assert self.waited({"a": ["v", SILENT]}) == (30.0, "no answer for 30 s")

    def test_nobody_leaves_for_an_address_that_is_down(self):
        assert self.waited({"a": ["v", SILENT], "b": [SILENT]}) == (30.0, "no answer for 30 s")

    def test_an_address_where_a_stream_failed_lately_is_better_than_a_silent_one(self):
        waited_s, _ = self.waited({"a": ["v", SILENT], "b": ["v"]}, before=DOWN)
        assert waited_s < 4.3

    def test_an_answer_ends_the_wait(self):
        service, left = Watched({"a": ["v", SILENT], "b": ["v"]}), list[bool]()

        async def call() -> None:
            await asyncio.sleep(2.0)
            with service.pool.lease() as lease:
                async with asyncio.timeout(30.0) as limit:
                    lease.waits(limit)
                    await asyncio.sleep(2.9)
                    lease.answered()
                    await asyncio.sleep(20.0)
                left.append(lease.left)

        virtual_time.run(service.for_a_while(0.0, call))
        assert left == [False]


# One thing that happens: to which address, what, and how much later.
EVENTS = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.sampled_from(["choose", "end", "answer", "fail", "refuse", "see", "miss"]),
        st.sampled_from([0.0, 0.3, 1.0, 4.0, 20.0]),
    ),
    max_size=60,
)


@given(EVENTS)
def test_an_open_address_is_never_chosen_while_a_closed_one_is_there(
    events: list[tuple[str, str, float]],
):
    service, running = Service("abcd"), list[Turn]()
    for name, what, later in events:
        service.now += later
        match what:
            case "choose":
                before = service.states()
                turn = service.addresses.choose()
                best = min(before.values(), key=["closed", "shunned", "open"].index)
                assert before[name_of(turn)] == best
                running.append(turn)
            case "end" if running:
                running.pop(0).end()
            case "answer" if running:
                running[0].answered()
            case "fail" | "refuse" if running:
                turn = running.pop()
                turn.failed(DOWN if what == "fail" else REFUSED)
                turn.end()
            case "see":
                service.addresses.seen(service[name])
            case "miss":
                service.addresses.missed(service[name])
            case _:
                pass
    assert sum(a.streams for a in service.addresses.listed) == len(running)
    for turn in running:
        turn.end()
    assert all(a.streams == 0 for a in service.addresses.listed)


@given(st.lists(st.one_of(st.none(), st.integers(0, 50)), max_size=80))
def test_streams_of_healthy_addresses_are_spread_within_one(events: list[int | None]):
    """While streams only begin; those that end leave gaps, which are filled first."""
    service, running = Service("abc"), list[Turn]()
    for event in events:
        if event is None or not running:
            loads = [a.streams for a in service.addresses.listed]
            running.append(service.addresses.choose())
            assert running[-1].address.streams == min(loads) + 1
        else:
            running.pop(event % len(running)).end()
    fresh = Service("abc")
    for _ in events:
        fresh.addresses.choose()
        loads = [a.streams for a in fresh.addresses.listed]
        assert max(loads) - min(loads) <= 1


@given(EVENTS)
def test_whatever_happened_an_address_that_answers_again_is_used_again(
    events: list[tuple[str, str, float]],
):
    service = Service("abcd")
    for name, what, later in events:
        service.now += later
        if what in {"fail", "refuse"}:
            service.tried(name, DOWN if what == "fail" else REFUSED)
        elif what == "miss":
            service.addresses.missed(service[name])
    service.now += 30.0
    for address in service.addresses.listed:
        service.addresses.seen(address)
    assert {service.chosen() for _ in range(8)} == set("abcd")

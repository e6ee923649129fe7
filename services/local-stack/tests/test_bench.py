"""The lane: whose turn it is, what is dropped, and that a cancelled caller costs nothing more."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager

import numpy as np
import pytest
from voice_local.bench import Bench
from voice_local.lane import BusyError, Lane, LaneClosedError, SupersededError
from voice_local.testing import EnergyActivity, ToneRecogniser, ToneVoice, say


class Worker:
    """Blocking work that tells when it runs and waits to be let go."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.gate = threading.Event()
        self.entered = threading.Semaphore(0)
        self.at_once = 0
        self.most_at_once = 0

    def work(self, name: str) -> Callable[[], str]:
        def run() -> str:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self.entered.release()
            assert self.gate.wait(60)
            self.ran.append(name)
            self.at_once -= 1
            return name

        return run

    async def running(self) -> None:
        """Wait until one more call has begun."""
        assert await asyncio.to_thread(self.entered.acquire, True, 10)


@asynccontextmanager
async def opened(*, room: int = 256, glance_share: float = 1.0) -> AsyncGenerator[Lane, None]:
    lane = Lane("test", room=room, glance_share=glance_share)
    try:
        yield lane
    finally:
        await lane.close()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_callers_take_turns_and_each_keeps_its_own_order() -> None:
    worker = Worker()
    async with opened() as lane, asyncio.TaskGroup() as group:
        for name in ("a1", "a2", "a3", "b1", "b2", "c1"):
            group.create_task(lane.do(name[0], worker.work(name)))
        await worker.running()
        await settle()
        worker.gate.set()
    assert worker.ran == ["a1", "a2", "b1", "c1", "a3", "b2"]
    assert worker.most_at_once == 1


async def test_what_must_be_done_goes_before_glances() -> None:
    worker = Worker()
    async with opened() as lane, asyncio.TaskGroup() as group:
        group.create_task(lane.do("x", worker.work("x")))
        await worker.running()
        for name in ("a", "b"):
            group.create_task(lane.glance(name, lambda n=name: worker.work(f"glance {n}")))
        group.create_task(lane.do("c", worker.work("must c")))
        await settle()
        worker.gate.set()
    assert worker.ran == ["x", "must c", "glance a", "glance b"]


async def test_a_newer_glance_takes_the_place_of_the_older() -> None:
    worker = Worker()
    outcomes: list[object] = []

    async def glance(lane: Lane, caller: str, name: str) -> None:
        try:
            outcomes.append(await lane.glance(caller, lambda: worker.work(name)))
        except SupersededError:
            outcomes.append(f"{name} superseded")

    async with opened() as lane, asyncio.TaskGroup() as group:
        group.create_task(lane.do("x", worker.work("x")))
        await worker.running()
        group.create_task(glance(lane, "a", "a old"))
        await settle()
        group.create_task(glance(lane, "b", "b"))
        await settle()
        group.create_task(glance(lane, "a", "a new"))
        await settle()
        assert lane.waiting == 2
        worker.gate.set()
    assert worker.ran == ["x", "a new", "b"]
    assert sorted(map(str, outcomes)) == ["a new", "a old superseded", "b"]


async def test_what_must_be_done_drops_the_callers_own_glance() -> None:
    worker = Worker()
    async with opened() as lane, asyncio.TaskGroup() as group:
        group.create_task(lane.do("x", worker.work("x")))
        await worker.running()
        glance = group.create_task(suppressed(lane, worker))
        await settle()
        group.create_task(lane.do("a", worker.work("a")))
        await settle()
        worker.gate.set()
        assert await glance == "superseded"
    assert worker.ran == ["x", "a"]


async def suppressed(lane: Lane, worker: Worker) -> str:
    try:
        await lane.glance("a", lambda: worker.work("glance a"))
    except SupersededError:
        return "superseded"
    return "ran"


async def test_a_glance_is_prepared_when_its_turn_comes() -> None:
    worker = Worker()
    newest = ["early"]
    async with opened() as lane, asyncio.TaskGroup() as group:
        group.create_task(lane.do("x", worker.work("x")))
        await worker.running()
        glance = group.create_task(lane.glance("a", lambda: worker.work(newest[-1])))
        unwanted = group.create_task(lane.glance("b", lambda: None))
        await settle()
        newest.append("late")
        worker.gate.set()
        assert await glance == "late"
        assert await unwanted is None
    assert worker.ran == ["x", "late"]


async def test_a_fault_in_preparing_reaches_its_caller_alone() -> None:
    worker = Worker()

    def broken() -> Callable[[], str]:
        raise ValueError("broken")

    async with opened() as lane:
        worker.gate.set()
        with pytest.raises(ValueError, match="broken"):
            await lane.glance("a", broken)
        assert await lane.do("b", worker.work("b")) == "b"


async def test_glances_leave_the_thread_free_for_their_share_of_time() -> None:
    """With a share of a thousandth, one glance is followed by a long rest; other work is not."""
    worker = Worker()
    async with opened(glance_share=0.001) as lane, asyncio.TaskGroup() as group:
        first = group.create_task(lane.glance("a", lambda: worker.work("first")))
        await worker.running()
        await asyncio.to_thread(worker.gate.wait, 0.02)
        worker.gate.set()
        assert await first == "first"
        resting = group.create_task(lane.glance("a", lambda: worker.work("second")))
        await settle()
        assert await lane.do("b", worker.work("b")) == "b"
        assert not resting.done()
        resting.cancel()
    assert worker.ran == ["first", "b"]


async def test_a_resting_glance_runs_when_the_rest_is_over() -> None:
    async with opened(glance_share=0.5) as lane:
        assert await lane.glance("a", lambda: lambda: 1) == 1
        assert await lane.glance("a", lambda: lambda: 2) == 2


async def test_work_of_a_cancelled_caller_never_starts() -> None:
    worker = Worker()
    async with opened() as lane, asyncio.TaskGroup() as group:
        group.create_task(lane.do("x", worker.work("x")))
        await worker.running()
        dropped = group.create_task(lane.do("a", worker.work("a")))
        glance = group.create_task(lane.glance("b", lambda: worker.work("b")))
        await settle()
        dropped.cancel()
        glance.cancel()
        await settle()
        assert lane.waiting == 0
        worker.gate.set()
    assert worker.ran == ["x"]


async def test_cancelling_a_running_call_leaves_the_lane_working() -> None:
    worker = Worker()
    async with opened() as lane, asyncio.TaskGroup() as group:
        running = group.create_task(lane.do("a", worker.work("a")))
        await worker.running()
        running.cancel()
        await settle()
        worker.gate.set()
        assert await lane.do("b", worker.work("b")) == "b"
    assert worker.most_at_once == 1


async def test_a_full_lane_refuses() -> None:
    worker = Worker()
    async with opened(room=2) as lane, asyncio.TaskGroup() as group:
        for caller in range(3):
            group.create_task(lane.do(caller, worker.work(str(caller))))
        await worker.running()
        with pytest.raises(BusyError, match="2 calls are waiting"):
            await lane.do("d", worker.work("d"))
        worker.gate.set()
    assert worker.ran == ["0", "1", "2"]


async def test_faults_reach_the_caller() -> None:
    def fault() -> None:
        raise ValueError("no")

    def stop() -> None:
        raise StopIteration

    async with opened() as lane:
        with pytest.raises(ValueError, match="no"):
            await lane.do("a", fault)
        with pytest.raises(RuntimeError, match="StopIteration"):
            await lane.do("a", stop)
        assert await lane.do("a", lambda: 7) == 7


async def test_closing_drops_what_waits_and_lets_the_running_call_end() -> None:
    worker = Worker()
    lane = Lane("test")
    async with asyncio.TaskGroup() as group:
        running = group.create_task(lane.do("a", worker.work("a")))
        await worker.running()
        waiting = group.create_task(refused(lane, worker))
        await settle()
        closing = group.create_task(lane.close())
        await settle()
        worker.gate.set()
        await closing
        assert await running == "a"
        assert await waiting == "closed"
        assert await refused(lane, worker) == "closed"
    assert worker.ran == ["a"]


async def refused(lane: Lane, worker: Worker) -> str:
    try:
        return await lane.do("b", worker.work("b"))
    except LaneClosedError:
        return "closed"


class Pieces:
    """An iterator that remembers how far it was asked, and where it was closed."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.log = log
        self.closed_on: str | None = None

    def run(self) -> Iterator[str]:
        try:
            for at in range(3):
                self.log.append(f"{self.name}{at}")
                yield f"{self.name}{at}"
        finally:
            self.closed_on = threading.current_thread().name


async def take(lane: Lane, pieces: Pieces, limit: int = 99) -> list[str]:
    taken: list[str] = []
    async with aclosing(lane.pieces(pieces, pieces.run)) as stream:
        async for piece in stream:
            taken.append(piece)
            if len(taken) == limit:
                break
    return taken


async def test_pieces_of_two_callers_take_turns() -> None:
    log: list[str] = []
    worker = Worker()
    async with opened() as lane, asyncio.TaskGroup() as group:
        group.create_task(lane.do("x", worker.work("x")))
        await worker.running()
        a = group.create_task(take(lane, Pieces("a", log)))
        b = group.create_task(take(lane, Pieces("b", log)))
        await settle()
        worker.gate.set()
        assert await a == ["a0", "a1", "a2"]
        assert await b == ["b0", "b1", "b2"]
    assert log == ["a0", "b0", "a1", "b1", "a2", "b2"]


async def test_pieces_that_nobody_wants_any_more_are_not_made() -> None:
    log: list[str] = []
    pieces = Pieces("a", log)
    async with opened() as lane:
        assert await take(lane, pieces, limit=1) == ["a0"]
        await lane.do("x", lambda: None)
    assert log == ["a0"]
    assert pieces.closed_on is not None
    assert pieces.closed_on.startswith("voice-local-test")


async def test_cancelling_inside_a_piece_makes_no_further_one() -> None:
    recogniser, voice = ToneRecogniser(), ToneVoice()
    bench = Bench(recogniser, voice, EnergyActivity)
    voice.gate.clear()

    async def speak() -> None:
        async for _ in bench.speak("caller", "one two three", "Low"):
            pass

    async with asyncio.TaskGroup() as group:
        speaking = group.create_task(speak())
        assert await asyncio.to_thread(voice.entered.acquire, True, 10)
        speaking.cancel()
        await settle()
        voice.gate.set()
    await bench.close()
    assert voice.pieces == 1


async def test_the_bench_asks_its_engines() -> None:
    bench = Bench(ToneRecogniser(), ToneVoice(), EnergyActivity)
    samples = say("one two")
    transcript = await bench.transcribe("a", samples, "en-US")
    guess = await bench.interim("a", lambda: samples, "en-US")
    listener = await bench.new_listener("a")
    frames = [samples[:512], np.zeros(512, np.float32)]
    assert transcript.text == "One two."
    assert guess == transcript
    assert await bench.interim("a", lambda: None, "en-US") is None
    assert await bench.speech_probabilities("a", listener, frames) == [0.95, 0.02]
    await bench.close()

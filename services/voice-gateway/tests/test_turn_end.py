"""How complete a turn sounds: what the network sees, one caller's last seconds, one thread."""

import asyncio
import hashlib
import json
import threading
import wave
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.call.session import CallOptions
from voice_gateway.conversation import (
    CallerQuiet,
    CallerSpoke,
    CallerVoiced,
    Command,
    Conversation,
    EndOfTurnProbability,
    Event,
    Message,
    Quiet,
    ReplyAudioStarted,
    TimerFired,
    step,
)
from voice_gateway.conversation.end_of_turn import Evidence
from voice_gateway.conversation.policy import TurnOptions, TurnPolicy
from voice_gateway.hearing import end_of_turn, log_mel
from voice_gateway.hearing.end_of_turn import RATE_HZ, TurnEnds, load_turn_end
from voice_gateway.language import language_of, only_begun
from voice_gateway.messages import Processing
from voice_gateway.observe.metrics import Metrics
from voice_gateway.testing.scripted import Call, Says

HERE = Path(__file__).parent
SPEECH = HERE.parents[1] / "voice-client" / "src" / "voice_client" / "speech"
PICTURES = json.loads((HERE / "turn_end_reference.json").read_text())["pictures"]
NAMES = [f"{each['file'] or 'silence'} {each['seconds']} s" for each in PICTURES]
SHA256 = "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f"


def sound_of(picture: dict[str, Any]) -> bytes:
    if not picture["file"]:
        return b""
    with wave.open(str(SPEECH / picture["file"]), "rb") as file:
        assert file.getframerate() == RATE_HZ
        return file.readframes(round(picture["seconds"] * RATE_HZ))


@pytest.fixture(scope="module")
def network() -> Generator[TurnEnds]:
    ends = load_turn_end()
    yield ends
    ends.close()


def numbered(start: int, count: int) -> bytes:
    """Samples that tell where they stood."""
    return np.arange(start, start + count, dtype="<i2").tobytes()


class Judged:
    """A judge that keeps what it was shown."""

    def __init__(self) -> None:
        self.shown: list[bytes] = []

    def __call__(self, sound: bytes) -> float:
        self.shown.append(sound)
        return 0.5


class Slow:
    """A judge that takes as long as the test wants."""

    def __init__(self) -> None:
        self.go_on = threading.Semaphore(0)
        self.shown: list[bytes] = []

    def __call__(self, sound: bytes) -> float:
        self.shown.append(sound)
        assert self.go_on.acquire(timeout=60)
        return len(sound) / 100


# What the network sees and says.


def test_the_network_is_the_one_that_notice_names():
    file = Path(end_of_turn.__file__).with_name("smart_turn.onnx")
    assert hashlib.sha256(file.read_bytes()).hexdigest() == SHA256


@pytest.mark.parametrize("picture", PICTURES, ids=NAMES)
def test_the_picture_is_the_reference_implementation_s(picture: dict[str, Any]):
    samples = np.zeros(log_mel.SAMPLES, np.float32)
    if sound := sound_of(picture):
        heard = np.frombuffer(sound, "<i2")[-log_mel.SAMPLES :]
        samples[-len(heard) :] = heard.astype(np.float32) / 32768
    seen = log_mel.log_mel(samples)
    assert (seen.shape, seen.dtype) == ((80, 800), np.float32)
    wanted = np.array(picture["every 8th band, 20th frame"])
    assert np.abs(seen[::8, ::20] - wanted).max() < 1e-4
    assert abs(seen.mean() - picture["mean"]) < 1e-5


@pytest.mark.parametrize("picture", PICTURES, ids=NAMES)
async def test_the_chance_is_the_reference_s(picture: dict[str, Any], network: TurnEnds):
    caller = network(RATE_HZ)
    sound = sound_of(picture)
    for start in range(0, len(sound), 640):
        caller.feed(sound[start : start + 640])
    probability = await caller.probability()
    assert probability is not None
    assert (
        abs(probability - picture["probability"]) < 0.1
    )  # an eight-bit network: processors differ


async def test_a_telephone_s_audio_is_heard_too(network: TurnEnds):
    weather = next(each for each in PICTURES if "weather" in each["file"])
    caller = network(RATE_HZ // 2)
    caller.feed(np.frombuffer(sound_of(weather), "<i2")[::2].tobytes())
    probability = await caller.probability()
    assert probability is not None
    assert probability > 0.8


# One caller's last seconds.


@given(st.lists(st.integers(0, 30_000), max_size=40))
async def test_the_judge_hears_the_last_eight_seconds_however_they_came(sizes: list[int]):
    judge = Judged()
    ends = TurnEnds(judge)
    try:
        caller, fed = ends(RATE_HZ), b""
        for size in sizes:
            piece = numbered(len(fed) % 1000, size)
            caller.feed(piece)
            fed += piece
        await caller.probability()
        assert judge.shown == [fed[-2 * 8 * RATE_HZ :]]
    finally:
        ends.close()


async def test_a_new_turn_keeps_only_half_a_second_of_what_was_before_it():
    judge = Judged()
    ends = TurnEnds(judge)
    caller = ends(RATE_HZ)
    caller.feed(numbered(0, 20_000))
    caller.begin()
    caller.feed(numbered(20_000, 100))
    await caller.probability()
    assert judge.shown == [numbered(12_000, 8_100)]
    ends.close()


async def test_each_caller_is_heard_alone():
    judge = Judged()
    ends = TurnEnds(judge)
    one, other = ends(RATE_HZ), ends(RATE_HZ)
    one.feed(numbered(0, 10))
    other.feed(numbered(100, 10))
    assert [await one.probability(), await other.probability()] == [0.5, 0.5]
    assert judge.shown == [numbered(0, 10), numbered(100, 10)]
    ends.close()


# One thread for all.


async def test_who_asks_while_too_many_wait_gets_no_opinion():
    judge, metrics = Slow(), Metrics()
    ends = TurnEnds(judge, room=2, count=metrics.predicted)
    callers = [ends(RATE_HZ) for _ in range(4)]
    for number, caller in enumerate(callers):
        caller.feed(numbered(0, 10 + number))
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(caller.probability()) for caller in callers[:2]]
        await asyncio.sleep(0)
        assert [await caller.probability() for caller in callers[2:]] == [None, None]
        judge.go_on.release(2)
    assert [task.result() for task in waiting] == [0.2, 0.22]
    judge.go_on.release()
    assert await callers[3].probability() == 0.26, "there is room again"
    ends.close()
    exposition = metrics.exposition("text/plain")[0].decode()
    assert 'voice_turn_end_opinions_total{outcome="given"} 3.0' in exposition
    assert 'voice_turn_end_opinions_total{outcome="refused"} 2.0' in exposition


async def test_who_stops_waiting_makes_room_and_costs_no_thought():
    judge = Slow()
    ends = TurnEnds(judge, room=2)
    first, second, third = (ends(RATE_HZ) for _ in range(3))
    third.feed(numbered(0, 10))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(first.probability())
        given_up = tasks.create_task(second.probability())
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.wait([given_up])
        waiting = tasks.create_task(third.probability())
        await asyncio.sleep(0)
        judge.go_on.release(2)
    assert waiting.result() == 0.2
    assert len(judge.shown) == 2
    ends.close()


async def test_the_loop_goes_on_while_the_judge_thinks():
    judge = Slow()
    ends = TurnEnds(judge)
    turns = 0
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(ends(RATE_HZ).probability())
        while not judge.shown:
            turns += 1
            await asyncio.sleep(0)
        assert not task.done()
        judge.go_on.release()
    assert turns
    ends.close()


# What it means for the wait.

POLICY = TurnPolicy(silence_s=0.3, unsure_silence_s=0.6, open_silence_s=1.2, halting_silence_s=2.0)
HEARD = Evidence("go forward ten meters", sound=0.5)


@pytest.mark.parametrize(
    ("words", "probability", "silence_s"),
    [
        ("what is the weather in paris", None, 0.3),
        ("what is the weather in paris", 0.99, 0.3),
        ("what is the weather in paris", 0.6, 0.3),
        ("what is the weather", 0.03, 0.88),
        ("What your country can do for you?", 0.04, 0.74),
        ("go forward ten meters", None, 0.6),
        ("go forward ten meters", 0.97, 0.3),
        ("go forward ten meters", 0.6, 0.46),
        ("go forward ten meters", 0.3, 0.63),
        ("go forward ten meters", 0.03, 1.13),
        ("go forward", 0.03, 1.45),  # the less was said, the more may come
        ("As not.", 0.01, 2.0),
        ("And so my fellow americans,", None, 1.2),
        ("And so my fellow americans,", 0.92, 1.2),
        ("I want to", None, 1.2),
        ("I want to", 0.02, 2.0),
        ("two plus three equals", 0.9, 1.2),
        ("my name is A. N.", 0.97, 1.2),
        ("at three p.m.", 0.97, 0.3),
        ("My house", 0.98, 0.7),  # many begin so, and go on
        ("Okay.", 0.98, 1.18),  # an answer to no question
        ("Okay.", None, 0.6),
        ("Really?", 0.98, 0.3),
        ("我想去北京。", 0.98, 0.3),  # five letters, and a whole sentence
    ],
)
def test_words_and_voice_make_the_wait(words: str, probability: float | None, silence_s: float):
    assert POLICY.silence_after(words, probability) == pytest.approx(silence_s, abs=0.005)


@pytest.mark.parametrize("step", range(5))
def test_a_sound_that_is_hardly_another_makes_hardly_another_wait(step: int):
    policy = TurnPolicy()
    likely = (0.125, 0.25, 0.5, 0.75, 0.76)[step]
    below, above = (policy.silence_for(at, HEARD) for at in (likely - 0.001, likely + 0.001))
    assert 0 <= below - above < 0.01


@pytest.mark.parametrize(("unlikely", "likely"), [(0.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.5, 0.5)])
@given(st.floats(0, 1))
def test_whatever_thresholds_are_set_each_probability_has_a_wait(
    unlikely: float, likely: float, probability: float
):
    policy = TurnPolicy(unlikely=unlikely, likely=likely)
    assert 0.3 <= policy.silence_for(probability, HEARD) <= 2.0


@given(st.text(max_size=30), st.floats(0, 1), st.floats(0, 1))
def test_who_sounds_more_complete_never_waits_longer(words: str, one: float, other: float):
    low, high = sorted((one, other))
    assert POLICY.silence_after(words, low) >= POLICY.silence_after(words, high)


@pytest.mark.parametrize(
    ("asked", "words", "probability", "silence_s"),
    [
        ("Shall I book it?", "Yes.", 0.7, 0.3),
        ("Shall I book it?", "Yes.", None, 0.3),
        ("I have booked it.", "Yes.", 0.7, 2.0),
        ("Shall I book it?", "And", 0.98, 1.2),
        ("What is your address?", "12 High Street", 0.98, 0.38),
        ("What is your address?", "12 High Street", 0.5, 0.89),
        ("What is your address?", "12 High Street", None, 1.2),
        ("I have your address.", "Then send it there", 0.98, 0.3),
    ],
)
def test_what_was_asked_makes_the_wait(
    asked: str, words: str, probability: float | None, silence_s: float
):
    silence = POLICY.silence_after(words, probability, asked=asked)
    assert silence == pytest.approx(silence_s, abs=0.005)


def test_what_was_heard_of_a_reply_is_what_was_asked():
    call = Conversation(history=(Message("user", "Book it."), Message("assistant", "Book it now?")))
    said = (CallerVoiced(2.0), CallerSpoke(3.0, "Yes.", True), CallerQuiet(3.6, since=3.5))
    assert play(*said, start=call)[0].wake_at == 3.5 + 0.3
    assert play(*said)[0].wake_at == 3.5 + 0.6


def test_a_program_that_says_how_long_is_obeyed_whatever_was_said_and_asked():
    options = TurnOptions(silence_s=0.45)
    assert POLICY.silence_after("I want to", 0.02, options, "What is your address?") == 0.45
    patient = TurnOptions(patience=2.0)
    assert POLICY.silence_after("I want to", 0.02, patient) == 2 * 2.0


@pytest.mark.parametrize(
    ("words", "begun"),
    [
        ("And so my fellow Americans.", True),
        ("And in Paris", True),
        ("and what about London", False),
        ("and turn off the lights", False),
        ("So that's it.", False),
        ("But I don't", False),
        ("my fellow Americans", False),
        ("", False),
    ],
)
def test_a_clause_that_joins_on_and_has_no_verb_has_only_begun(words: str, begun: bool):
    assert only_begun(words, language_of("en-US")) is begun
    assert not only_begun(words, language_of("de-DE"))


def test_what_has_only_begun_is_waited_for_unless_it_is_a_question():
    assert POLICY.silence_after("And so my fellow Americans.", 0.92) == 1.2
    assert POLICY.silence_after("And in Paris?", 0.92) == 0.3
    assert replace(POLICY, language="de-DE").silence_after("So geht das also.", 0.98) == 0.3


# What it does to a turn: literal times in, commands out.

COMMAND = "go forward ten meters"


def play(*events: Event, start: Conversation | None = None) -> tuple[Conversation, list[Command]]:
    now, commands = start or Conversation(), list[Command]()
    for event in events:
        now, more = step(now, event, replace(POLICY, drafts=0))
        commands += more
    return now, commands


def silent_after(words: str) -> Conversation:
    said = (CallerVoiced(2.0), CallerSpoke(3.0, words, True), CallerQuiet(3.6, since=3.5))
    return play(*said)[0]


def test_a_voice_that_sounds_done_ends_the_turn_sooner():
    before = silent_after(COMMAND)
    after, _ = play(EndOfTurnProbability(3.66, 0.95), start=before)
    assert (before.wake_at, after.wake_at) == (3.5 + 0.6, 3.5 + 0.3)


def test_a_voice_that_will_go_on_is_waited_for():
    before = silent_after("What your country can do for you?")
    after, _ = play(EndOfTurnProbability(3.66, 0.03), start=before)
    assert (before.wake_at, after.wake_at) == (3.5 + 0.3, pytest.approx(3.5 + 0.735, abs=0.005))


def test_words_that_come_later_are_judged_with_the_same_sound():
    after, _ = play(
        EndOfTurnProbability(3.66, 0.03),
        CallerSpoke(3.7, "into it", False),
        start=silent_after(COMMAND),
    )
    assert after.wake_at == pytest.approx(3.5 + 1.06, abs=0.005)


def test_how_the_turn_sounded_is_forgotten_once_the_voice_goes_on():
    after, _ = play(
        EndOfTurnProbability(3.66, 0.03),
        CallerVoiced(3.8),
        CallerQuiet(4.3, since=4.2),
        start=silent_after(COMMAND),
    )
    assert (after.voice, after.wake_at) == (Quiet(4.2), 4.2 + 0.6)


def test_an_opinion_that_comes_after_the_voice_went_on_changes_nothing():
    before, _ = play(CallerVoiced(3.64), start=silent_after(COMMAND))
    assert play(EndOfTurnProbability(3.66, 0.99), start=before) == (before, [])


def test_an_opinion_before_any_words_waits_for_them():
    quiet, _ = play(
        CallerVoiced(2.0), CallerQuiet(3.6, since=3.5), EndOfTurnProbability(3.66, 0.95)
    )
    after, _ = play(CallerSpoke(3.7, COMMAND, False), start=quiet)
    assert (quiet.wake_at, after.wake_at) == (None, 3.5 + 0.3)


@pytest.mark.parametrize(
    ("at", "goes_on"), [(4.0, True), (5.0, True), (9.0, False)], ids=["words", "soon", "late"]
)
def test_what_a_voice_goes_on_with_is_the_open_turn_or_the_one_just_taken(at: float, goes_on: bool):
    now = silent_after(COMMAND)
    if at > 4.0:
        now, _ = play(TimerFired(4.1), ReplyAudioStarted(4.2, 1), start=now)
    assert now.goes_on(at, POLICY) is goes_on


# Within a call.


class Opinion:
    """A `TurnSound` that thinks for a while, and keeps what it was told."""

    def __init__(self, *probabilities: float | None, thinks_s: float = 0.06) -> None:
        self._probabilities = probabilities
        """One for each time that it is asked; the last for every further time."""
        self._thinks_s = thinks_s
        self.told: list[str] = []
        self.asked_at: list[float] = []

    def begin(self) -> None:
        self.told.append("begin")

    def feed(self, pcm: bytes) -> None:
        if "fed" not in self.told[-1:]:
            self.told.append("fed")

    async def probability(self) -> float | None:
        self.told.append("asked")
        self.asked_at.append(asyncio.get_running_loop().time())
        at = min(len(self.asked_at), len(self._probabilities)) - 1
        try:
            await asyncio.sleep(self._thinks_s)
        except asyncio.CancelledError:
            self.told.append("given up")
            raise
        return self._probabilities[at]


def call(opinion: Opinion, *voiced: tuple[float, bool]) -> Call:
    says = [Says(2.4, COMMAND, final=False), Says(2.9, COMMAND)]
    rules = CallOptions(policy=replace(POLICY, drafts=0))
    return Call(says, ["Yes."], voiced=voiced, rules=rules, turn_sound=opinion, hangs_up=9.0).run()


def taken_at(of: Call) -> list[float]:
    return [at for at, message in of.received if isinstance(message, Processing)]


@pytest.mark.parametrize(
    ("probability", "silence_s"), [(0.95, 0.4), (None, 0.6), (0.6, 0.46), (0.02, 1.134)]
)
def test_a_call_waits_by_how_its_turn_sounds(probability: float | None, silence_s: float):
    # Its final words come 0.4 s into the silence: what sounds done is over there and then.
    of = call(Opinion(probability), (2.0, True), (2.5, False))
    assert taken_at(of) == [pytest.approx(2.5 + silence_s, abs=0.005)]
    assert of.error is None


def test_an_opinion_is_given_up_when_the_voice_goes_on():
    opinion = Opinion(0.95, thinks_s=0.2)
    of = call(opinion, (2.0, True), (2.5, False), (2.8, True), (3.5, False))
    assert opinion.told[:6] == ["fed", "begin", "fed", "asked", "fed", "given up"]
    assert taken_at(of) == [pytest.approx(3.5 + 0.35)]


def test_the_shortest_pauses_are_asked_nothing():
    opinion = Opinion(0.95)
    of = call(opinion, (2.0, True), (2.5, False), (2.62, True), (3.5, False))
    assert opinion.asked_at == [pytest.approx(3.5 + 0.15)]
    assert taken_at(of) == [pytest.approx(3.5 + 0.3)]


def test_a_silence_that_lasts_is_asked_about_again_until_the_turn_is_taken():
    opinion = Opinion(0.02)
    of = call(opinion, (2.0, True), (2.5, False))
    assert opinion.asked_at == [pytest.approx(2.5 + asked) for asked in (0.15, 0.35, 0.8)]
    assert taken_at(of) == [pytest.approx(2.5 + 1.134, abs=0.005)]


def test_a_sound_that_turns_out_to_be_done_ends_the_turn_there():
    opinion = Opinion(0.02, 0.97)
    of = call(opinion, (2.0, True), (2.5, False))
    assert taken_at(of) == [pytest.approx(2.5 + 0.35 + 0.06)]


def test_a_call_that_ends_gives_its_opinion_up():
    opinion = Opinion(0.95, thinks_s=60.0)
    of = call(opinion, (2.0, True), (2.5, False))
    assert opinion.told[-2:] == ["given up", "fed"]
    assert of.ended_at < 20.0

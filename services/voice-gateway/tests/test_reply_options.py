"""How a reply is spoken: what the voice gets, what is sent of its audio, what is remembered."""

import asyncio
from array import array
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import pytest
from voice_gateway.audio import pcm
from voice_gateway.latency import TurnMoments
from voice_gateway.messages import CallConfig, ReplyAudio, Word
from voice_gateway.ports import Services, VoiceAudio
from voice_gateway.speaking.outbox import Outbox
from voice_gateway.speaking.reply import Reply, ReplyOptions
from voice_gateway.testing import virtual_time
from voice_gateway.testing.scripted import RATE_HZ, ScriptedModel, ScriptedRecogniser

QUIET_S, WORD_S = 0.25, 0.4


class SlowStarter:
    """Says every text as one word of `WORD_S` after `QUIET_S` of silence, and before `end_s`."""

    def __init__(self, words: tuple[Word, ...] = (), end_s: float = 0.0) -> None:
        self.spoken: list[str] = []
        self._words = words
        self._end_s = end_s

    async def speak(
        self, text: str, *, language: str, voice: str, rate_hz: int
    ) -> AsyncGenerator[VoiceAudio, None]:
        self.spoken.append(text)
        word = array("h", [5_000, -5_000] * round(WORD_S * rate_hz / 2)).tobytes()
        audio = pcm.silence(QUIET_S, rate_hz) + word + pcm.silence(self._end_s, rate_hz)
        for start in range(0, len(audio), 999):  # cut through samples
            yield VoiceAudio(audio[start : start + 999])
        yield VoiceAudio(b"", self._words)


@dataclass
class Answered:
    spoken: list[str]
    reply: Reply
    audio: list[ReplyAudio] = field(default_factory=list[ReplyAudio])

    @property
    def seconds(self) -> float:
        return sum(pcm.seconds(piece.pcm, RATE_HZ) for piece in self.audio)


def answer(
    text: str,
    options: ReplyOptions | None = None,
    language: str = "en-US",
    words: tuple[Word, ...] = (),
    end_s: float = 0.0,
) -> Answered:
    return virtual_time.run(_answer(text, options, language, SlowStarter(words, end_s)))


async def _answer(
    text: str, options: ReplyOptions | None, language: str, voice: SlowStarter
) -> Answered:
    clock = asyncio.get_running_loop().time
    outbox = Outbox(rate_hz=RATE_HZ, lead_s=0.3, room_s=10.0, clock=clock, on_full=lambda: None)
    outbox.unpace()
    outbox.begin(1)
    reply = Reply(
        1,
        services=Services(ScriptedRecogniser([]), ScriptedModel([text]), voice),
        config=CallConfig("test", language, RATE_HZ, "", ""),
        outbox=outbox,
        moments=TurnMoments(turn_end=0.0, speech_end=None),
        clock=clock,
        options=options,
    )
    done = Answered(voice.spoken, reply)
    async with asyncio.TaskGroup() as tasks:
        taking = tasks.create_task(_take(outbox, done.audio))
        assert await reply.run([], lambda: None) is None
        outbox.close()
        await taking
    return done


async def _take(outbox: Outbox, audio: list[ReplyAudio]) -> None:
    while (message := await outbox.take()) is not None:
        if isinstance(message, ReplyAudio):
            audio.append(message)


def test_the_voice_gets_words_and_the_memory_what_was_written():
    done = answer("It costs **$3.50** in 2024.")
    assert done.spoken == ["It costs three dollars and fifty cents in twenty twenty-four."]
    assert done.reply.ledger.text() == "It costs $3.50 in 2024."


def test_a_voice_that_reads_numbers_itself_gets_them_as_they_are():
    done = answer("It costs **$3.50** in 2024.", ReplyOptions(normalise=False))
    assert done.spoken == ["It costs $3.50 in 2024."]


def test_what_grows_too_long_is_spoken_in_parts_and_remembered_as_one():
    numbers = " ".join(["987,654,321"] * 9)
    done = answer(numbers)
    assert len(done.spoken) > 1
    assert all(len(text) <= 200 for text in done.spoken)
    assert done.reply.ledger.text() == numbers
    assert done.reply.ledger.heard(done.seconds) == numbers


def test_code_is_not_read_out():
    done = answer("Like this:\n```python\nprint(1)\n```\nThat is all.")
    assert done.spoken == ["Like this:", "The code is in the text.", "That is all."]


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Paris", ["Paris."]),
        ("Yes!", ["Yes!"]),
        ("Sure. I can do it. Ok.", ["Sure. I can do it. Ok."]),
    ],
)
def test_a_single_word_is_never_given_alone_unless_it_is_all(text: str, spoken: list[str]):
    assert " ".join(answer(text, ReplyOptions(min_words=2)).spoken) == spoken[0]


def test_audio_begins_at_once_and_keeps_a_pause_between_clauses():
    done = answer("This is one. This is two.", ReplyOptions(trim_s=0.3))
    assert done.seconds == pytest.approx(2 * WORD_S + 0.02 + 0.1, abs=0.011)
    assert done.audio[-1].offset_s + pcm.seconds(done.audio[-1].pcm, RATE_HZ) == (
        pytest.approx(done.seconds)
    )
    assert done.reply.ledger.heard(0.02 + WORD_S + 0.02) == "This is one."


CUT_IN_MID_SENTENCE = "Language processing is a field that helps people"


def test_a_sentence_that_is_cut_goes_on_without_the_silence_that_voices_end_with():
    done = answer(CUT_IN_MID_SENTENCE, ReplyOptions(trim_s=0.3), end_s=0.46)
    assert done.spoken == ["Language processing is a field", "that helps people"]
    assert done.seconds == pytest.approx(2 * WORD_S + 0.02 + 0.04 + 0.1 + 0.46, abs=0.011)
    assert done.reply.ledger.heard(0.02 + WORD_S + 0.04) == "Language processing is a field"


@pytest.mark.parametrize(
    "text",
    ["It is late. It is dark.", "There are two of them, it is late.", "One is red\nTwo is blue"],
)
def test_the_pause_at_a_mark_or_a_line_end_stays_as_the_voice_makes_it(text: str):
    done = answer(text, ReplyOptions(trim_s=0.3), end_s=0.46)
    assert done.seconds == pytest.approx(2 * (WORD_S + 0.46) + 0.02 + 0.1, abs=0.011)


def test_word_times_that_reach_into_the_silence_taken_off_are_used():
    told = tuple(
        Word(word, 0.25 + n * 0.05, 0.3 + n * 0.05 + (0.51 if n == 4 else 0.0))
        for n, word in enumerate("Language processing is a field".split())
    )
    done = answer(CUT_IN_MID_SENTENCE, ReplyOptions(trim_s=0.3), words=told, end_s=0.46)
    assert done.reply.ledger.heard(0.02 + 0.16) == "Language processing is"


def test_without_trimming_all_audio_is_sent():
    assert answer("This is one. This is two.").seconds == pytest.approx(2 * (QUIET_S + WORD_S))


def test_times_told_by_the_voice_count_from_before_its_silence_was_taken_off():
    told = (Word("It", 0.25, 0.3), Word("is", 0.3, 0.35), Word("late.", 0.4, 0.65))
    ledger = answer("It is late.", ReplyOptions(trim_s=0.3), words=told).reply.ledger
    assert ledger.heard(0.02 + 0.04) == ""
    assert ledger.heard(0.02 + 0.06) == "It"
    assert ledger.heard(0.02 + 0.11) == ledger.heard(0.02 + 0.38) == "It is"
    assert ledger.heard(0.02 + WORD_S) == "It is late."


@pytest.mark.parametrize("normalise", [True, False])
def test_a_price_is_heard_when_its_last_word_was(normalise: bool):
    ledger = answer("It costs $14", ReplyOptions(normalise=normalise)).reply.ledger
    assert ledger.heard(QUIET_S + WORD_S * 0.5) == "It costs"
    assert ledger.heard(QUIET_S + WORD_S * 0.9) == "It costs"
    assert ledger.heard(QUIET_S + WORD_S) == "It costs $14"

"""Word times asked of Riva: taken where they come, done without where they are refused."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from grpc import StatusCode
from voice_gateway.adapters.riva_link import RivaConnection
from voice_gateway.adapters.riva_tts import RivaVoice
from voice_gateway.conversation import Message
from voice_gateway.errors import Rejected, Unavailable
from voice_gateway.messages import Interrupt, Word
from voice_gateway.ports import VoiceAudio
from voice_gateway.testing.fake_faults import DieAfter, Refuse, RivaFault
from voice_gateway.testing.fake_riva import FakeRiva
from voice_gateway.testing.fake_riva_tts import WordTimes
from voice_gateway.testing.scripted import Call, Says, ScriptedVoice, Sends


@asynccontextmanager
async def voice_at(riva: FakeRiva) -> AsyncGenerator[RivaVoice]:
    async with riva:
        voice = RivaVoice(RivaConnection("tts", riva.uri), timeout_s=60.0)
        yield voice
        await voice.close()


async def spoken(voice: RivaVoice, text: str = "It is late.", name: str = "") -> list[VoiceAudio]:
    speech = voice.speak(text, language="en-US", voice=name, rate_hz=16_000)
    return [chunk async for chunk in speech]


@pytest.mark.parametrize(("word_times", "where"), [("early", 0), ("late", -1)])
async def test_words_come_with_or_behind_their_audio(word_times: WordTimes, where: int):
    riva = FakeRiva()
    riva.voice.word_times = word_times
    async with voice_at(riva) as voice:
        chunks = await spoken(voice)
    assert b"".join(chunk.pcm for chunk in chunks) == riva.voice.pcm("It is late.", 16_000)
    assert chunks[where].words == (  # 60 ms for a character
        Word("It", 0.0, 0.12),
        Word("is", 0.18, 0.3),
        Word("late.", 0.36, 0.66),
    )
    assert sum(bool(chunk.words) for chunk in chunks) == 1


async def test_a_server_that_knows_no_word_times_is_asked_once():
    riva = FakeRiva()
    riva.voice.word_times = "never"
    async with voice_at(riva) as voice:
        chunks = await spoken(voice)
    assert not any(chunk.words for chunk in chunks)
    assert len(riva.voice_calls) == 1


async def test_a_voice_that_refuses_them_is_asked_without_and_spared_from_then_on():
    riva = FakeRiva()
    riva.voice.word_times = "refused"
    async with voice_at(riva) as voice:
        for _ in range(2):
            chunks = await spoken(voice)
            audio = b"".join(chunk.pcm for chunk in chunks)
            assert audio == riva.voice.pcm("It is late.", 16_000)
        await spoken(voice, name="Other")
    assert [call.timed for call in riva.voice_calls] == [True, False, False, True, False]


async def test_what_is_refused_for_another_reason_is_refused_in_the_servers_words():
    riva = FakeRiva(voices=["Ann"])
    async with voice_at(riva) as voice:
        with pytest.raises(Rejected, match="Voice Bob for language en-US not found"):
            await spoken(voice, name="Bob")
        assert (await spoken(voice, name="Ann"))[-1].words
    assert [call.timed for call in riva.voice_calls] == [True, False, True]


@pytest.mark.parametrize(
    "fault",
    [Refuse(StatusCode.UNAVAILABLE), DieAfter(1, StatusCode.INTERNAL)],
    ids=["not there", "dies"],
)
async def test_a_server_that_fails_is_not_asked_again(fault: RivaFault):
    riva = FakeRiva(voice_fault=fault)
    async with voice_at(riva) as voice:
        with pytest.raises(Unavailable):
            await spoken(voice)
    assert len(riva.voice_calls) == 1


async def test_a_voice_that_has_given_them_is_not_suspected_of_refusing_them():
    riva = FakeRiva(voice_fault=lambda call: Refuse(StatusCode.INTERNAL) if call == 1 else None)
    async with voice_at(riva) as voice:
        assert (await spoken(voice))[-1].words
        with pytest.raises(Unavailable):
            await spoken(voice)
        assert (await spoken(voice))[-1].words
    assert len(riva.voice_calls) == 3


@pytest.mark.parametrize(
    ("stops_at", "heard"), [(2.5, "It costs"), (3.1, "It costs $14"), (3.6, "It costs $14 or")]
)
def test_the_conversation_remembers_written_words_up_to_the_last_one_heard(
    stops_at: float, heard: str
):
    """The voice begins at 1.2 s, and takes 0.4 s for "or" as for "fourteen"."""
    call = Call(
        says=[Says(1.0, "how much is it"), Says(6.0, "and by bus")],
        sends=[Sends(stops_at, Interrupt())],
        replies=["It costs $14 or fifteen today.", "Fine."],
        voice=ScriptedVoice(tells_words=True),
    ).run()
    assert call.cut_offs()[0].heard_text == heard
    assert call.asked[1][1] == Message("assistant", heard, interrupted=True)

"""Recorded speech through the whole chain: caller, gateway, Riva's API, real models, and back."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from voice_gateway.testing.line import Line, dial
from voice_proto import voice_workflow_pb2 as pb

from .conftest import Clip, clips, normalised, word_errors

pytestmark = [pytest.mark.models, pytest.mark.slow, pytest.mark.timeout(900)]

CLIPS = clips()
PATIENCE_S = 120.0  # several calls share two cores


async def speak(line: Line, clip: Clip, *, paced: bool) -> None:
    """Send the clip in chunks of 40 ms in real time, or of 4096 samples as fast as it goes."""
    size = 2 * clip.rate_hz * 40 // 1000 if paced else 8192
    start = asyncio.get_running_loop().time()
    for at in range(0, len(clip.pcm), size):
        if paced:
            due = start + at / (2 * clip.rate_hz)
            await asyncio.sleep(due - asyncio.get_running_loop().time())
        await line.say(audio_chunk=clip.pcm[at : at + size])


async def ask(gateway: str, clip: Clip, *, paced: bool) -> Line:
    """One call with one clip, half-closed after it, read to its end."""
    async with dial(gateway, PATIENCE_S) as line:
        await line.say(config=pb.VoiceConfig(language_code="en-US", sample_rate=clip.rate_hz))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_say_all(line, clip, paced=paced))
            await line.rest()
        return line


async def _say_all(line: Line, clip: Clip, *, paced: bool) -> None:
    await speak(line, clip, paced=paced)
    await line.hang_up()


def answered(line: Line) -> bool:
    """The last reply was complete: text, audio, and the end of the turn."""
    last = max(m.reply_id for m in line.received)
    mine = [m for m in line.received if m.reply_id == last]
    return bool(
        any(m.llm_response_chunk for m in mine)
        and any(m.audio_chunk for m in mine)
        and line.events()[-1] == "END_OF_TURN"
    )


@pytest.mark.parametrize("paced", [True, False], ids=["real time", "full speed"])
async def test_every_clip_is_understood_and_answered(gateway: str, paced: bool):
    errors = words = 0
    for clip in CLIPS:
        line = await ask(gateway, clip, paced=paced)
        assert answered(line), (clip.name, line.events())
        got = normalised(" ".join(line.finals()))
        errors += word_errors(clip.words, got)
        words += len(clip.words)
    print(f"word error rate {errors / words:.1%} over {words} words")
    assert errors / words <= 0.12


async def test_utterances_that_are_sent_at_once_are_all_understood(gateway: str):
    """Each is ended by the client, faster than it can be recognised."""
    said = [_clip("en_nlp_question.wav"), _clip("en_weather_synth.wav")]
    async with dial(gateway, PATIENCE_S) as line:
        await line.say(config=pb.VoiceConfig())
        for clip in said:
            await speak(line, clip, paced=False)
            await line.say(end_of_utterance=pb.EndOfUtterance())
        await line.until(pb.END_OF_TURN)
        heard = " ".join(line.finals()).lower()
    assert heard.index("natural language processing") < heard.index("weather")


async def test_ten_calls_at_once_each_get_their_own_words_and_answer(gateway: str):
    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(ask(gateway, clip, paced=True)) for clip in CLIPS]
    for clip, call in zip(CLIPS, calls, strict=True):
        line = call.result()
        assert answered(line), (clip.name, line.events())
        got = normalised(" ".join(line.finals()))
        assert word_errors(clip.words, got) / len(clip.words) <= 0.5, (clip.name, got)


async def test_three_spoken_turns_a_typed_one_and_a_barge_in(gateway: str):
    question, weather = _clip("en_nlp_question.wav"), _clip("en_weather_synth.wav")
    async with dial(gateway, PATIENCE_S) as line, _microphone(line) as microphone:
        await line.say(config=pb.VoiceConfig())
        for clip in (question, weather, _clip("en_goforward.wav")):
            microphone.put_nowait(clip)
            await line.until(pb.END_OF_TURN)
        await line.say(text_input="Tell me a long story about a fox and a crow.")
        await line.until(pb.SPEAKING)
        microphone.put_nowait(weather)
        cut = await line.until(pb.LISTENING)
        assert cut.HasField("interruption")
        interrupted = line.received[-1].reply_id
        seen = len(line.received)
        await line.until(pb.END_OF_TURN)
        assert all(m.reply_id != interrupted for m in line.received[seen:])
        heard = " ".join(line.finals()).lower()
        assert "natural language processing" in heard
        assert heard.count("weather") == 2


def _clip(name: str) -> Clip:
    return next(clip for clip in CLIPS if clip.name == name)


@asynccontextmanager
async def _microphone(line: Line) -> AsyncGenerator[asyncio.Queue[Clip]]:
    """Sends what is put into it in real time, and silence while there is nothing."""
    clips_to_say = asyncio.Queue[Clip]()

    async def run() -> None:
        quiet = Clip("silence", "", bytes(1280), 16_000)
        while True:
            clip = quiet if clips_to_say.empty() else clips_to_say.get_nowait()
            await speak(line, clip, paced=True)
            await asyncio.sleep(0.04)

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(run())
        yield clips_to_say
        running.cancel()

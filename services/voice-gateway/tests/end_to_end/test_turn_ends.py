"""Recorded speech in real time, through real models: who pauses is not answered, who is done is."""

import asyncio

import pytest
from voice_gateway.testing.line import Line, dial
from voice_proto import voice_workflow_pb2 as pb

from .conftest import Clip, clips

pytestmark = [pytest.mark.models, pytest.mark.alone, pytest.mark.timeout(900)]

CLIPS = {clip.name: clip for clip in clips()}
PATIENCE_S = 120.0
CHUNK_S = 0.02

# Where their speech ends, by the gateway's voice detector; after it only the room is heard.
PAUSES, PAUSES_END_S = CLIPS["en_jfk.wav"], 10.59
QUESTION, QUESTION_END_S = CLIPS["en_weather_synth.wav"], 1.82
LONGEST_DECISION_S = 0.5


async def speak(line: Line, clip: Clip, began: float) -> None:
    """Say the clip in real time, and be silent until this is cancelled."""
    size = 2 * round(clip.rate_hz * CHUNK_S)
    position = 0
    while True:
        chunk = clip.pcm[position : position + size].ljust(size, b"\0")
        position += size
        due = began + position / (2 * clip.rate_hz)
        await asyncio.sleep(due - asyncio.get_running_loop().time())
        await line.say(audio_chunk=chunk)


async def first_turn_taken(gateway: str, clip: Clip) -> tuple[float, Line]:
    """How far into the clip the first turn was taken, and the call up to there."""
    async with dial(gateway, PATIENCE_S) as line, asyncio.TaskGroup() as tasks:
        await line.say(config=pb.VoiceConfig(sample_rate=clip.rate_hz))
        began = asyncio.get_running_loop().time()
        speaking = tasks.create_task(speak(line, clip, began))
        await line.until(pb.PROCESSING)
        at_s = asyncio.get_running_loop().time() - began
        speaking.cancel()
        return at_s, line
    raise AssertionError("the call broke")


async def test_three_long_pauses_in_a_sentence_are_waited_out(gateway: str):
    at_s, line = await first_turn_taken(gateway, PAUSES)
    assert at_s >= PAUSES_END_S, line.finals()
    assert not line.audio()


async def test_a_complete_question_is_taken_half_a_second_after_its_end(gateway: str):
    taken = [(await first_turn_taken(gateway, QUESTION))[0] for _ in range(3)]
    assert min(taken) >= QUESTION_END_S
    assert min(taken) <= QUESTION_END_S + LONGEST_DECISION_S, taken  # the machine is shared

"""What is said and answered, and with which delays, as all processes of the benchmark know it.

One turn of a call, on the call's own clock (the audio's position). Calls begin together, but each
starts its first turn a little after the last call did, so that turns end as they do in the field:
on their own.

    0.3      1.1     1.5   + recogniser + first words + clause + voice          turn_s
    -|speech-|silence|final|------------------------------|reply audio 2.4 s|---|next turn

Each turn has a word of its own, which leads through recogniser, model and voice and so ties the
records of all processes together.
"""

import random
from dataclasses import dataclass
from functools import cache

from voice_gateway.testing.fake_riva import Says

from shared.call_names import tag_of
from shared.delays import Delays
from shared.recordings import RATE_HZ, SAMPLE_BYTES, bytes_of

SHORTEST_TURN_S, LONGEST_TURN_S = 5.0, 60.0
DELAYS = Delays(endpoint_s=0.4, asr_s=0.05, first_token_s=0.1, token_s=0.02, voice_s=0.08)

_SPEECH_START_S, _SPEECH_END_S = 0.3, 1.1
_QUESTION = "what is the weather like"
_ANSWER = " is sunny, so take a hat with you"
_NOISE_AMPLITUDE = 1_500


@dataclass(frozen=True, slots=True)
class Load:
    """How many callers say how much, and in which pieces."""

    calls: int
    turns: int
    turn_s: float
    chunk_ms: int
    together: bool = False
    """All calls' turns end at once: the worst case."""

    @property
    def seconds(self) -> float:
        """The length of a call."""
        return self.turn_s * (self.turns + (0 if self.together else 1))

    def turn_starts_s(self, call: int, turn: int) -> float:
        """Where in the call's audio this turn begins."""
        late = 0.0 if self.together else call % self.calls / self.calls
        return (turn + late) * self.turn_s

    @property
    def chunk_bytes(self) -> int:
        return RATE_HZ * self.chunk_ms // 1000 * SAMPLE_BYTES


def says(load: Load, call: int) -> list[Says]:
    spoken: list[Says] = []
    for turn in range(load.turns):
        start_s = load.turn_starts_s(call, turn)
        words = f"{tag_of(call, turn)} {_QUESTION}"
        spoken.append(Says(words, start_s + _SPEECH_START_S, start_s + _SPEECH_END_S))
    return spoken


def answer_to(question: str) -> str:
    """An answer that begins with the tag; its comma makes a first clause of three words."""
    return f"{question.split()[0].capitalize()}{_ANSWER}."


def tag_in(text: str) -> str:
    """The tag of a question, an answer or an answer's first clause."""
    return text.split()[0].lower().strip(",.") if text.strip() else ""


def silence_ends_s(load: Load, call: int, turn: int) -> float:
    """The position in the audio with which the recogniser finalises this turn's words."""
    return load.turn_starts_s(call, turn) + _SPEECH_END_S + DELAYS.endpoint_s


def call_audio(load: Load, call: int) -> list[bytes]:
    """The whole call's audio in chunks: faint noise where somebody speaks, else silence."""
    pcm = bytearray(bytes_of(load.seconds))
    for said in says(load, call):
        start = bytes_of(said.start_s)
        pcm[start : start + len(_noise())] = _noise()
    size = load.chunk_bytes
    return [bytes(pcm[start : start + size]) for start in range(0, len(pcm), size)]


@cache
def _noise() -> bytes:
    """Noise as long as one turn's speech."""
    values = random.Random(1)
    count = round((_SPEECH_END_S - _SPEECH_START_S) * RATE_HZ)
    samples = (values.randint(-_NOISE_AMPLITUDE, _NOISE_AMPLITUDE) for _ in range(count))
    return b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples)

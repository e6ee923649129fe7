"""Echo cancellation with the real audio processing module, on recorded speech in a made-up room."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from voice_client import speech
from voice_client.echo_cancelling import EchoCanceller
from voice_client.failures import BadInputError
from voice_client.wavfile import read_wav

RATE_HZ = 16_000
PIECE = 640  # bytes: 20 ms
Samples = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scene:
    heard: Samples
    cleaned: Samples


def clip(name: str) -> Samples:
    wav = read_wav(speech.clip(name))
    assert wav.rate_hz == RATE_HZ
    return np.frombuffer(wav.pcm, "<i2").astype(np.float64)


def room(delay_s: float) -> Samples:
    """An impulse response: the direct sound at -6 dB, then a fading tail."""
    start, tail_s = round(delay_s * RATE_HZ), 0.12
    response = np.zeros(start + round(tail_s * RATE_HZ))
    since = np.arange(len(response) - start) / RATE_HZ
    noise = np.random.default_rng(1).normal(size=len(since))
    response[start:] = 0.05 * noise * np.exp(-since / 0.04)
    response[start] = 0.5
    return response


def play(loudspeaker: Samples, speaker: Samples, delay_s: float, told_s: float) -> Scene:
    """What the microphone hears of both, and what the canceller makes of it."""
    echo = np.convolve(loudspeaker, room(delay_s))[: len(loudspeaker)]
    heard = np.clip(echo + speaker, -32768, 32767).astype("<i2").tobytes()
    played = loudspeaker.astype("<i2").tobytes()
    canceller = EchoCanceller(RATE_HZ)
    canceller.delay_s = told_s
    cleaned = bytearray()
    for at in range(0, len(heard) - PIECE + 1, PIECE):
        canceller.played(played[at : at + PIECE])
        cleaned += canceller.clean(heard[at : at + PIECE])
    return Scene(_numbers(heard), _numbers(bytes(cleaned)))


def _numbers(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, "<i2").astype(np.float64)


def db(samples: Samples) -> float:
    return float(10 * np.log10(np.mean(samples**2) + 1e-9))


@pytest.mark.parametrize(
    ("delay_s", "told_s"),
    [(0.055, 0.055), (0.055, 0.0), (0.180, 0.060)],
    ids=["the delay is known", "it is not", "it is much longer than the devices say"],
)
def test_the_echo_is_gone_after_a_few_seconds(delay_s: float, told_s: float):
    reply = np.tile(clip("en_jfk"), 2)[: 15 * RATE_HZ]
    scene = play(reply, np.zeros_like(reply), delay_s, told_s)
    late = slice(6 * RATE_HZ, None)
    taken_out_db = db(scene.heard[late]) - db(scene.cleaned[late])
    print(f"echo at {db(scene.heard[late]):.1f} dB, {taken_out_db:.1f} dB taken out of it")
    assert taken_out_db > 25


def test_whoever_speaks_into_the_reply_stays_loud_above_what_is_left_of_it():
    reply = np.tile(clip("en_jfk"), 2)[: 15 * RATE_HZ]
    caller, words = np.zeros_like(reply), clip("en_goforward") * 4
    at = slice(10 * RATE_HZ, 10 * RATE_HZ + len(words))
    caller[at] = words
    scene = play(reply, caller, 0.055, 0.055)
    left = play(reply, np.zeros_like(reply), 0.055, 0.055)
    lost_db = db(caller[at]) - db(scene.cleaned[at])
    above_db = db(scene.cleaned[at]) - db(left.cleaned[at])
    print(f"the caller loses {lost_db:.1f} dB and is {above_db:.1f} dB above the echo left")
    assert lost_db < 6
    assert above_db > 25


def test_speech_alone_passes_as_it_is():
    words = clip("en_goforward")
    scene = play(np.zeros_like(words), words, 0.055, 0.055)
    assert abs(db(scene.heard) - db(scene.cleaned)) < 2


def test_a_rate_without_whole_frames_is_refused():
    with pytest.raises(BadInputError, match="cannot do 22050 Hz"):
        EchoCanceller(22_050)


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "livekit.rtc", None)
    with pytest.raises(BadInputError, match=r"--extra aec .* --half-duplex needs nothing"):
        EchoCanceller(RATE_HZ)

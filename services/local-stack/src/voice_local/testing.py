"""Scripted engines: words are tones, so a test knows by position what has to be recognised."""

import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager

import numpy as np
from grpc import aio

from voice_local.engines import ASR_RATE_HZ, Said, Samples, Transcript, Word
from voice_local.riva.asr import AsrLimits
from voice_local.riva.server import RivaServer
from voice_local.riva.tts import TtsLimits

VOCABULARY = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
WORD_S = 0.256
GAP_S = 0.096

_LOWEST_HZ = 500
_STEP_HZ = 200
_BLOCK = 160


def silence(length_s: float, rate_hz: int = ASR_RATE_HZ) -> Samples:
    return np.zeros(round(length_s * rate_hz), np.float32)


def say(text: str, rate_hz: int = ASR_RATE_HZ) -> Samples:
    """Words of VOCABULARY as tones of WORD_S, each followed by GAP_S of silence."""
    pieces: list[Samples] = []
    time_s = np.arange(round(WORD_S * rate_hz)) / rate_hz
    for word in text.split():
        tone_hz = _LOWEST_HZ + _STEP_HZ * VOCABULARY.index(word)
        tone = 0.5 * np.sin(2 * np.pi * tone_hz * time_s)
        pieces += [tone.astype(np.float32), silence(GAP_S, rate_hz)]
    return np.concatenate(pieces)


def pcm(samples: Samples) -> bytes:
    """Samples as s16le."""
    return np.rint(samples * 32_767).astype("<i2").tobytes()


class ToneRecogniser:
    """Recognises the words of `say`, and nothing else."""

    name = "tones"

    def __init__(self, *languages: str) -> None:
        self.languages = languages or ("en-US",)
        self.heard_s: list[float] = []
        """How long the samples of each call were."""
        self.gate = threading.Event()
        """Calls wait until it is set; it is, at first."""
        self.gate.set()
        self.entered = threading.Semaphore(0)
        """Released as each call begins."""
        self.fault: Exception | None = None
        """Raised by the next call."""

    def transcribe(self, samples: Samples, language: str) -> Transcript:
        assert language in self.languages
        self.heard_s.append(len(samples) / ASR_RATE_HZ)
        self.entered.release()
        assert self.gate.wait(60)
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault
        words = tuple(_words(samples))
        text = " ".join(word.text for word in words)
        return Transcript(f"{text.capitalize()}." if text else "", words, 0.9 if text else 0.0)


class EnergyActivity:
    """Takes whatever is loud for speech."""

    def speech(self, frame: Samples) -> float:
        return 0.95 if float(np.sqrt(np.mean(frame * frame))) > 0.02 else 0.02


class ToneVoice:
    """Speaks one piece of PIECE_S per word, a tone of the word's own."""

    name = "Tones"
    languages = ("en-US",)
    speakers = ("Low", "High")
    rate_hz = 24_000
    piece_s = 0.5

    def __init__(self, *, tells_words: bool = True) -> None:
        self.tells_words = tells_words
        self.texts: list[tuple[str, str]] = []
        self.pieces = 0
        """Pieces given, of all texts."""
        self.closed = 0
        """Texts whose iterator was closed before or at its end."""
        self.gate = threading.Event()
        """Pieces wait until it is set; it is, at first."""
        self.gate.set()
        self.entered = threading.Semaphore(0)
        """Released as each piece begins."""
        self.fault: Exception | None = None

    def speak(self, text: str, speaker: str) -> Iterator[Said]:
        self.texts.append((text, speaker))
        try:
            for word in text.split():
                self.entered.release()
                assert self.gate.wait(60)
                if self.fault is not None:
                    raise self.fault
                self.pieces += 1
                time_s = np.arange(round(self.piece_s * self.rate_hz)) / self.rate_hz
                tone = (0.5 * np.sin(2 * np.pi * 440 * time_s)).astype(np.float32)
                times = (Word(word, 0.0, self.piece_s),) if self.tells_words else ()
                yield Said(tone, times)
        finally:
            self.closed += 1


@asynccontextmanager
async def serving(
    recogniser: ToneRecogniser | None = None,
    voice: ToneVoice | None = None,
    asr_limits: AsrLimits | None = None,
    tts_limits: TtsLimits | None = None,
) -> AsyncGenerator[aio.Channel, None]:
    """A Riva server over scripted engines, and a channel of its own to it."""
    server = RivaServer(
        recogniser or ToneRecogniser(),
        voice or ToneVoice(),
        EnergyActivity,
        host="127.0.0.1",
        port=0,
        asr_limits=asr_limits,
        tts_limits=tts_limits,
    )
    port = await server.start()
    options = [("grpc.use_local_subchannel_pool", 1)]
    try:
        async with aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
            yield channel
    finally:
        await server.stop(0)


def _words(samples: Samples) -> Iterator[Word]:
    blocks = samples[: len(samples) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
    loud = np.sqrt(np.mean(blocks * blocks, axis=1)) > 0.02
    edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]]).astype(np.int8)))
    for start, end in zip(edges[::2] * _BLOCK, edges[1::2] * _BLOCK, strict=True):
        if end - start < ASR_RATE_HZ // 10:
            continue
        tone = samples[start:end]
        spectrum = np.abs(np.fft.rfft(tone * np.hanning(len(tone))))
        tone_hz = float(np.argmax(spectrum)) * ASR_RATE_HZ / len(tone)
        nearest = round((tone_hz - _LOWEST_HZ) / _STEP_HZ)
        if 0 <= nearest < len(VOCABULARY):
            text = VOCABULARY[nearest]
            yield Word(text, start / ASR_RATE_HZ, end / ASR_RATE_HZ, 0.9)

"""Checks what a recognition client asks for: raw fields in, `Asked` or a refusal out. PURE."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from voice_local.riva.coding import Encoding
from voice_local.riva.decoding import DEFAULT_RATE_HZ
from voice_local.riva.endpointing import Windows
from voice_local.riva.refusal import RefusedError

LONGEST_WINDOW_MS = 10_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """The fields of a RecognitionConfig that matter here, as they came."""

    language: str = ""
    encoding: int = 0
    rate_hz: int = 0
    channels: int = 0
    interims: bool = False
    punctuated: bool = False
    word_times: bool = False
    diarization: bool = False
    separate_channels: bool = False
    endpointing: dict[str, float] = field(default_factory=dict[str, float])
    """The fields of EndpointingConfig that were set."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asked for, checked."""

    language: str
    encoding: Encoding = Encoding.LINEAR_PCM
    rate_hz: int = 0
    channels: int = 0
    interims: bool = False
    punctuated: bool = True
    word_times: bool = False
    windows: Windows = field(default_factory=Windows)


def check(wanted: Wanted, languages: Sequence[str], kind: str) -> Asked:
    """Check what a client wants of a recogniser of these languages; `kind` is online or offline.

    Raises RefusedError. An empty language is the recogniser's first.
    """
    if wanted.diarization:
        raise RefusedError("Error: enable_speaker_diarization is true; only false is supported")
    if wanted.separate_channels:
        raise RefusedError(
            "Error: enable_separate_recognition_per_channel is true; only false is supported"
        )
    return Asked(
        language=_language(wanted, languages, kind),
        encoding=_encoding(wanted.encoding),
        rate_hz=wanted.rate_hz,
        channels=wanted.channels,
        interims=wanted.interims,
        punctuated=wanted.punctuated,
        word_times=wanted.word_times,
        windows=_windows(wanted.endpointing),
    )


def _language(wanted: Wanted, languages: Sequence[str], kind: str) -> str:
    if not wanted.language:
        return languages[0]
    for language in languages:
        if language.lower() == wanted.language.lower():
            return language
    raise RefusedError(
        "Error: Unavailable model requested given these parameters: "
        f"language_code={wanted.language}; sample_rate={wanted.rate_hz or DEFAULT_RATE_HZ}; "
        f"type={kind}; available language_code: {', '.join(languages)}"
    )


def _encoding(number: int) -> Encoding:
    try:
        return Encoding(number)
    except ValueError:
        raise RefusedError(
            f"Error: encoding is {number}; allowed are LINEAR_PCM (1), MULAW (3), ALAW (20)"
        ) from None


def _windows(endpointing: dict[str, float]) -> Windows:
    """Riva's clients send -1 or 0 for what they leave to the server."""
    usual = Windows()
    settle_ms = _window_ms(endpointing, "stop_history_eou", 0)
    return Windows(
        start_ms=_window_ms(endpointing, "start_history", usual.start_ms),
        start_share=_share(endpointing, "start_threshold", usual.start_share),
        stop_ms=_window_ms(endpointing, "stop_history", usual.stop_ms),
        stop_share=_share(endpointing, "stop_threshold", usual.stop_share),
        settle_ms=settle_ms or None,
        settle_share=_share(endpointing, "stop_threshold_eou", usual.settle_share),
    )


def _window_ms(endpointing: dict[str, float], name: str, usual: int) -> int:
    value = int(endpointing.get(name, 0))
    if value > LONGEST_WINDOW_MS:
        raise RefusedError(
            f"Error: endpointing_config.{name} is {value}; allowed are 1 to {LONGEST_WINDOW_MS} ms"
        )
    return value if value > 0 else usual


def _share(endpointing: dict[str, float], name: str, usual: float) -> float:
    value = endpointing.get(name, 0.0)
    if not value <= 1:
        raise RefusedError(f"Error: endpointing_config.{name} is {value}; allowed are 0 to 1")
    return value if value > 0 else usual

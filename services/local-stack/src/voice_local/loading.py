"""Loads engines by their names on the command line, and fetches weights that are missing."""

from collections.abc import Callable
from pathlib import Path

from voice_local.catalogue import RECOGNISERS, SILERO
from voice_local.engines import Recogniser, Voice, VoiceActivity
from voice_local.weights import ensure

# Runtimes are imported inside the functions: each import takes a good part of a second.


def load_recogniser(
    name: str = "moonshine-tiny", cache: Path | None = None, *, offline: bool = False
) -> Recogniser:
    """Load a recogniser by name, warm. Blocks; raises ValueError or StartFailed."""
    if name not in RECOGNISERS:
        raise ValueError(f"recogniser must be one of {', '.join(RECOGNISERS)}: {name!r}")
    if name == "whisper-base":
        from voice_local.models.whisper import load_whisper, require_whisper

        require_whisper()
        return load_whisper(name, ensure(RECOGNISERS[name], cache, offline=offline))
    from voice_local.models.moonshine import load_moonshine

    return load_moonshine(name, ensure(RECOGNISERS[name], cache, offline=offline))


def load_voice(name: str = "hibari") -> Voice:
    """Load a voice by name, warm; its weights come with its package."""
    if name != "hibari":
        raise ValueError(f"voice must be hibari: {name!r}")
    from voice_local.models.hibari import HibariVoice

    return HibariVoice()


def load_voice_activity(
    cache: Path | None = None, *, offline: bool = False
) -> Callable[[], VoiceActivity]:
    """Load the voice activity network once; each call of the result makes a listener."""
    from voice_local.models.silero import SileroListener, open_net

    net = open_net(ensure(SILERO, cache, offline=offline))
    return lambda: SileroListener(net)

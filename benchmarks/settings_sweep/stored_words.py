"""Stores what the local stack's recogniser makes of the bundled clips, and when.

The words are played back on a virtual clock afterwards.
"""

import json
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from voice_client.speech import clip_names
from voice_local.engines import Recogniser
from voice_local.loading import load_recogniser

from shared.recordings import RATE_HZ, recording

STORED = Path(__file__).with_name("stored_words.json")
STEP_S = 0.16  # as in Riva's streaming models
_TAIL_S = 1.0


def store() -> None:
    """Write the words anew."""
    STORED.write_text(json.dumps(_recognise_all(), ensure_ascii=False, indent=1) + "\n")


def _recognise_all() -> dict[str, Any]:
    """Recognise ever longer beginnings of each clip, and time that."""
    recogniser = load_recogniser("moonshine-base", offline=False)
    clips = {name: _recognised(recogniser, name) for name in clip_names()}
    return {"recogniser": recogniser.name, "step_s": STEP_S, "clips": clips}


def _recognised(recogniser: Recogniser, name: str) -> dict[str, Any]:
    samples = np.frombuffer(recording(name), "<i2").astype(np.float32) / np.float32(32768)
    samples = np.pad(samples, (0, int(_TAIL_S * RATE_HZ)))
    said: list[tuple[float, str]] = []
    took: list[float] = []
    for end in range(0, len(samples), int(STEP_S * RATE_HZ)):
        began = perf_counter()
        text = recogniser.transcribe(samples[:end], "en-US").text
        took.append(perf_counter() - began)
        if not said or text != said[-1][1]:
            said.append((round(end / RATE_HZ, 2), text))
    sys.stderr.write(f"{name}: {said[-1][1]}\n")
    return {"said": said, "took_s": round(sorted(took)[len(took) // 2], 3)}

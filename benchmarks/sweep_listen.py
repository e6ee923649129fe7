"""Has the local stack's recogniser listen to the bundled clips, and stores what it says and when.

`uv run python benchmarks/sweep_listen.py` rewrites `sweep_words.json`, which `settings_sweep.py`
plays back on a virtual clock.
"""

import json
import sys
import wave
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import voice_client.speech
from voice_local.loading import load_recogniser

STORED = Path(__file__).with_name("sweep_words.json")
STEP_S = 0.16  # as Riva's streaming models
_RATE_HZ = 16_000
_TAIL_S = 1.0


def listen() -> dict[str, Any]:
    """Of each clip: what is recognised of its beginnings, and how long that takes."""
    recogniser = load_recogniser("moonshine-base", offline=False)
    clips: dict[str, Any] = {}
    for name in voice_client.speech.clip_names():
        samples = np.frombuffer(_pcm(name), "<i2").astype(np.float32) / np.float32(32768)
        samples = np.pad(samples, (0, int(_TAIL_S * _RATE_HZ)))
        said: list[tuple[float, str]] = []
        took: list[float] = []
        for end in range(0, len(samples), int(STEP_S * _RATE_HZ)):
            began = perf_counter()
            text = recogniser.transcribe(samples[:end], "en-US").text
            took.append(perf_counter() - began)
            if not said or text != said[-1][1]:
                said.append((round(end / _RATE_HZ, 2), text))
        clips[name] = {"said": said, "took_s": round(sorted(took)[len(took) // 2], 3)}
        sys.stderr.write(f"{name}: {said[-1][1]}\n")
    return {"recogniser": recogniser.name, "step_s": STEP_S, "clips": clips}


def _pcm(name: str) -> bytes:
    with wave.open(str(voice_client.speech.clip(name))) as file:
        return file.readframes(file.getnframes())


if __name__ == "__main__":
    STORED.write_text(json.dumps(listen(), ensure_ascii=False, indent=1) + "\n")

"""The two networks of Moonshine: an encoder over raw samples, a decoder token by token."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voice_local.engines import ASR_RATE_HZ, Samples
from voice_local.models.onnx import Net, Tensor, integers

_BOS, _EOS = 1, 2
_TOKENS_PER_S = 6.5
"""No one speaks more; the model's makers stop its loops there."""
_SHORTEST_SAMPLES = 4_000
"""With fewer samples the encoder's strides leave nothing."""


@dataclass(frozen=True, slots=True)
class Spelled:
    """One decoded token and how sure the model was of it."""

    token: int
    probability: float


class MoonshineNet:
    """The two networks of one Moonshine model, whichever export they come from."""

    def __init__(self, encoder: Path, decoder: Path) -> None:
        self._encoder = Net(encoder)
        self._decoder = Net(decoder)
        self._past = [name for name in self._decoder.inputs if name.startswith("past_key_values")]
        self._empty = {name: self._nothing(name) for name in self._past}
        self._masked = "encoder_attention_mask" in self._decoder.inputs

    def _nothing(self, name: str) -> Tensor:
        _, heads, _, width = self._decoder.inputs[name]
        assert isinstance(heads, int)
        assert isinstance(width, int)
        return np.zeros((1, heads, 0, width), np.float32)

    def spell(self, samples: Samples) -> list[Spelled]:
        """Decode greedily; even silence takes at least one step."""
        limit = math.ceil(len(samples) / ASR_RATE_HZ * _TOKENS_PER_S)
        return list(self._steps(_padded(samples), max(limit, 2)))

    def _steps(self, samples: Samples, limit: int) -> Iterator[Spelled]:
        given = self._encoded(samples)
        past = dict(self._empty)
        token = _BOS
        for step in range(limit):
            given["input_ids"] = integers(token)
            given["use_cache_branch"] = np.array([step > 0])
            logits, past = self._step(given, past, first=step == 0)
            token = int(logits.argmax())
            if token == _EOS:
                return
            yield Spelled(token, _probability(logits, token))

    def _encoded(self, samples: Samples) -> dict[str, Tensor]:
        """The encoder's output for the samples, as the decoder's inputs."""
        ones = np.ones((1, len(samples)), np.int64)
        given: dict[str, Tensor] = {"input_values": samples[np.newaxis]}
        if "attention_mask" in self._encoder.inputs:
            given["attention_mask"] = ones
        encoded: dict[str, Tensor] = {
            "encoder_hidden_states": self._encoder.run(self._encoder.outputs[:1], given)[0]
        }
        if self._masked:
            encoded["encoder_attention_mask"] = ones
        return encoded

    def _step(
        self, given: dict[str, Tensor], past: dict[str, Tensor], *, first: bool
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Decode one more token; the encoder's part of the cache is made once and kept."""
        fresh = [name for name in self._past if first or ".decoder." in name]
        wanted = [name.replace("past_key_values", "present") for name in fresh]
        logits, *present = self._decoder.run(["logits", *wanted], given | past)
        return logits[0, -1], past | dict(zip(fresh, present, strict=True))


def _padded(samples: Samples) -> Samples:
    lacking = _SHORTEST_SAMPLES - len(samples)
    return np.pad(samples, (0, lacking)) if lacking > 0 else samples


def _probability(logits: Tensor, token: int) -> float:
    return float(1.0 / np.exp(logits - logits[token]).sum())

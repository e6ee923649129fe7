"""The two networks of Moonshine: an encoder over raw samples, a decoder token by token."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voice_local.engines import EAR_RATE_HZ, Samples
from voice_local.models.onnx import Net, Tensor, integers

_BOS, _EOS = 1, 2
_TOKENS_PER_S = 6.5
"""More than anyone speaks; the model's makers stop its loops there."""
_SHORTEST = 4_000
"""Samples: below that the encoder's strides leave nothing over."""


@dataclass(frozen=True, slots=True)
class Spelled:
    """One decoded token and how sure the model was of it."""

    token: int
    chance: float


class Ear:
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
        """Decode greedily; at least a token is spent, even on silence."""
        limit = math.ceil(len(samples) / EAR_RATE_HZ * _TOKENS_PER_S)
        return list(self._steps(_padded(samples), max(limit, 2)))

    def _steps(self, samples: Samples, limit: int) -> Iterator[Spelled]:
        given = self._heard(samples)
        past = dict(self._empty)
        token = _BOS
        for step in range(limit):
            given["input_ids"] = integers(token)
            given["use_cache_branch"] = np.array([step > 0])
            logits, past = self._step(given, past, first=step == 0)
            token = int(logits.argmax())
            if token == _EOS:
                return
            yield Spelled(token, _chance(logits, token))

    def _heard(self, samples: Samples) -> dict[str, Tensor]:
        """What the encoder makes of the samples, as the decoder's inputs."""
        ones = np.ones((1, len(samples)), np.int64)
        given: dict[str, Tensor] = {"input_values": samples[np.newaxis]}
        if "attention_mask" in self._encoder.inputs:
            given["attention_mask"] = ones
        heard: dict[str, Tensor] = {
            "encoder_hidden_states": self._encoder.run(self._encoder.outputs[:1], given)[0]
        }
        if self._masked:
            heard["encoder_attention_mask"] = ones
        return heard

    def _step(
        self, given: dict[str, Tensor], past: dict[str, Tensor], *, first: bool
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """One token on; the encoder's part of the cache is made once and kept."""
        fresh = [name for name in self._past if first or ".decoder." in name]
        wanted = [name.replace("past_key_values", "present") for name in fresh]
        logits, *present = self._decoder.run(["logits", *wanted], given | past)
        return logits[0, -1], past | dict(zip(fresh, present, strict=True))


def _padded(samples: Samples) -> Samples:
    lacking = _SHORTEST - len(samples)
    return np.pad(samples, (0, lacking)) if lacking > 0 else samples


def _chance(logits: Tensor, token: int) -> float:
    return float(1.0 / np.exp(logits - logits[token]).sum())

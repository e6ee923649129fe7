# onnxruntime ships no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
"""Runs an ONNX model on one thread that doesn't spin, so that many share two cores."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnxruntime
from numpy.typing import NDArray

Tensor = NDArray[Any]


class Net:
    """One loaded model: named tensors in, named tensors out. Safe to call from several threads."""

    def __init__(self, path: Path) -> None:
        onnxruntime.disable_telemetry_events()  # on by default since 1.29
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self.inputs: dict[str, tuple[int | str | None, ...]] = {
            each.name: tuple(each.shape) for each in self._session.get_inputs()
        }
        self.outputs: tuple[str, ...] = tuple(each.name for each in self._session.get_outputs())

    def run(self, wanted: Sequence[str], given: Mapping[str, Tensor]) -> list[Tensor]:
        return cast("list[Tensor]", self._session.run(list(wanted), dict(given)))


def integers(*values: int) -> NDArray[np.int64]:
    """A row of token ids, or whatever else a model wants as (1, n) 64-bit integers."""
    return np.array([values], np.int64)


def also_giving(path: Path, tensor: str, kind: int) -> bytes:
    """A model that gives one of its inner tensors, too, as its last output.

    An ONNX file is one protobuf message, and a message continued behind its end is the same
    message with more in it: here `graph.output` (fields 7 and 12 of onnx.proto), of which each has
    a name (1) and a type (2, in it `tensor_type`, 1, in it `elem_type`, 1).
    """
    of_kind = _field(2, _field(1, bytes((1 << 3, kind))))
    output = _field(12, _field(1, tensor.encode()) + of_kind)
    return path.read_bytes() + _field(7, output)


def _field(number: int, content: bytes) -> bytes:
    """A protobuf field whose length fits into one byte."""
    assert len(content) < 128
    return bytes((number << 3 | 2, len(content))) + content

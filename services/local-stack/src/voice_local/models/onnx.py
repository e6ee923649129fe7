# onnxruntime ships no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
"""How an ONNX model is run here: one thread that doesn't spin, so that many share two cores."""

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

"""Loads a neural network to run on the CPU: in one thread, without telemetry."""

from pathlib import Path
from typing import Any


def load(path: Path) -> Any:
    """Return an onnxruntime session; the library is imported with the first network."""
    import onnxruntime

    runtime: Any = onnxruntime  # it ships no types
    runtime.disable_telemetry_events()  # on by default since 1.29
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

"""How a network is run on the gateway's CPU: one thread, no word of it to anybody."""

from pathlib import Path
from typing import Any


def load(path: Path) -> Any:
    """An onnxruntime session; loads that library with the first network that is wanted."""
    import onnxruntime

    runtime: Any = onnxruntime  # ships no types
    runtime.disable_telemetry_events()  # on by default since 1.29
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

"""Declares Riva's generated modules, which ship no types, as untyped, in this one place."""

from typing import Any

from riva.client.proto import (
    riva_asr_pb2,
    riva_asr_pb2_grpc,
    riva_audio_pb2,
    riva_tts_pb2,
    riva_tts_pb2_grpc,
)

asr: Any = riva_asr_pb2
asr_grpc: Any = riva_asr_pb2_grpc
tts: Any = riva_tts_pb2
tts_grpc: Any = riva_tts_pb2_grpc

LINEAR_PCM: Any = getattr(riva_audio_pb2, "AudioEncoding").LINEAR_PCM  # noqa: B009

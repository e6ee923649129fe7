"""NVIDIA Riva's gRPC API for speech, spoken over local engines."""

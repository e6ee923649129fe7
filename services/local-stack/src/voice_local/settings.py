# ruff: noqa: TID251  # the one module that reads the environment
"""Reads the environment, alone: where weights are kept and what the package clients are told."""

import os
import re
from pathlib import Path

_NAMED_INDEX = re.compile(r"^[\w.-]+=(?=https?:|file:)")


def default_cache() -> Path:
    """`VOICE_LOCAL_CACHE`, else `voice-local` in the XDG cache folder."""
    if chosen := os.environ.get("VOICE_LOCAL_CACHE"):
        return Path(chosen).expanduser()
    root = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(root).expanduser() / "voice-local"


def client_environment() -> dict[str, str]:
    """The environment of the package clients: pip also obeys the index that uv was given."""
    environment = dict(os.environ)
    index = environment.get("UV_DEFAULT_INDEX") or environment.get("UV_INDEX_URL")
    if index:
        environment.setdefault("PIP_INDEX_URL", _NAMED_INDEX.sub("", index))
    return environment

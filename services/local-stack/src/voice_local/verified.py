"""Tells whether a cached file is the catalogue's, without hashing it at every start."""

import contextlib
import hashlib
import json
import os
from pathlib import Path

from voice_local.catalogue import Model, WeightFile


def missing_files(model: Model, cache: Path) -> list[WeightFile]:
    """The model's files that are absent from the cache or hash wrong; only new files are hashed."""
    folder = cache / model.name
    return [file for file in model.files if not stands(folder / file.name, file)]


def stands(path: Path, file: WeightFile) -> bool:
    """Whether `path` holds the file; a stamp beside it remembers that these bytes were hashed."""
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    if _stamp_path(path).is_file() and _stamp_path(path).read_text() == _stamp(path, file):
        return True
    if sha256_of(path) != file.sha256:
        return False
    _remember(path, file)
    return True


def accept(candidate: Path, path: Path, file: WeightFile) -> bool:
    """Move a candidate to `path` if it hashes right."""
    if candidate.stat().st_size != file.size or sha256_of(candidate) != file.sha256:
        return False
    candidate.replace(path)
    _remember(path, file)
    return True


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path: Path, text: str) -> None:
    """Write a small file so that a reader sees all of it or none."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text)
    temporary.replace(path)


def _remember(path: Path, file: WeightFile) -> None:
    with contextlib.suppress(OSError):  # a read-only cache is hashed at every start
        write_whole(_stamp_path(path), _stamp(path, file))


def _stamp_path(path: Path) -> Path:
    return path.with_name(path.name + ".verified")


def _stamp(path: Path, file: WeightFile) -> str:
    stat = path.stat()
    stamp = {"sha256": file.sha256, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    return json.dumps(stamp)

"""Moonshine's vocabulary: token ids to text."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

_CONTROL = re.compile(rb"^<(s|/s|unk|<ST_\d+>)>$")
_SPACE = "▁".encode()


class Vocabulary:
    """Pieces by id, read from the length-prefixed byte strings of a `tokenizer.bin`."""

    def __init__(self, path: Path) -> None:
        self._pieces = [_literal(piece) for piece in _read(path.read_bytes())]

    def __len__(self) -> int:
        return len(self._pieces)

    def piece(self, token: int) -> bytes:
        """The token's part of the text in UTF-8; one that opens a word begins with a space."""
        return self._pieces[token]

    def text(self, tokens: Sequence[int]) -> str:
        return b"".join(map(self.piece, tokens)).decode(errors="replace").strip()


def _read(raw: bytes) -> Iterator[bytes]:
    """A length from 128 on takes a second byte, which counts 128s."""
    at = 0
    while at < len(raw):
        length = raw[at]
        at += 1
        if length >= 128:
            length += (raw[at] - 1) * 128
            at += 1
        yield raw[at : at + length]
        at += length


def _literal(piece: bytes) -> bytes:
    return b"" if _CONTROL.match(piece) else piece.replace(_SPACE, b" ")

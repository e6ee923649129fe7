"""A file of keys that its operator changes in a test, and the callers that it knows."""

import time
from collections.abc import Sequence
from pathlib import Path

from voice_gateway.access import keys
from voice_gateway.access.callers import Callers
from voice_gateway.access.jwts import Issuer
from voice_gateway.access.revocations import Revocations
from voice_gateway.access.tokens import Tokens
from voice_gateway.access.watched import WatchedFiles
from voice_gateway.principals import Rights


class KeyFile:
    """`now` is the time of the callers, in seconds since the epoch; a test moves it on."""

    def __init__(
        self,
        folder: Path,
        text: str,
        issuer: Issuer | None = None,
        revocations: WatchedFiles[Revocations] | None = None,
    ) -> None:
        self.path = folder / "keys.toml"
        self.path.write_text(text)
        self.now = time.time()
        self.file = WatchedFiles("API_KEYS_FILE", [self.path], self._read)
        self.callers = Callers(
            listed=None,
            file=self.file,
            issuer=issuer,
            tokens=Tokens(b"secret", lambda: self.now),
            rights=Rights(),
            now=lambda: self.now,
            revocations=revocations,
        )

    def _read(self, contents: Sequence[bytes]) -> keys.Entries:
        return keys.in_file(contents[0], Rights())

    async def write(self, text: str | None) -> None:
        """Change the file, and look; None: it is gone."""
        self.path.unlink() if text is None else self.path.write_text(text)
        await self.file.look()

    async def settles(self, text: str) -> None:
        """Change the file, and look until that has settled."""
        await self.write(text)
        await self.file.look()

"""Owns the resume tokens of one call: random texts that name nothing, one for each generation."""

import hmac
import secrets

_BYTES = 16
_HANDLE_CHARS = len(secrets.token_urlsafe(_BYTES))


class ResumeTokens:
    """The newest token is valid, and the one before it until the newest is known to have arrived.

    A token is a handle, by which the call is found, and a secret that is new in each generation.
    """

    def __init__(self) -> None:
        self.handle = secrets.token_urlsafe(_BYTES)
        self._valid: list[str] = []

    def issue(self) -> str:
        """Begin a generation: return its token."""
        self._valid = [*self._valid[-1:], secrets.token_urlsafe(_BYTES)]
        return self.handle + self._valid[-1]

    def arrived(self) -> None:
        """The client has the newest token: the one before it ends."""
        del self._valid[:-1]

    def use(self, token: str) -> bool:
        """Whether the token is valid; a newer one than it that never arrived ends."""
        given = token[_HANDLE_CHARS:].encode()
        fits = [hmac.compare_digest(given, secret.encode()) for secret in self._valid]
        if any(fits):
            self._valid = [self._valid[fits.index(True)]]
        return any(fits)


def handle_of(token: str) -> str:
    """The handle in a token; a text that is no token has one that nobody has."""
    return token[:_HANDLE_CHARS]

"""Owns what the gateway knows of who calls: a name, what they may do, what their calls may cost."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rights:
    """What of the operator's choices a caller may replace, and what it may bring along."""

    system_prompt: bool = True
    voice: bool = True
    language: bool = True
    model_options: bool = True
    tools: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """What the calls of one principal may cost together; None: the gateway's own setting holds."""

    calls: int | None = None
    """Calls at once."""
    new_calls_per_s: float | None = None
    requests_per_min: float | None = None
    """Requests to the model."""
    typed_chars_per_min: float | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """One who may call. Calls of one principal never see, resume or count another's."""

    name: str
    rights: Rights = Rights()
    limits: Limits = Limits()


ANYONE = Principal("anyone")
"""Whoever calls where no key is asked for."""

Lapsed = Callable[[], str]
"""Says why what a caller showed holds no more, in a sentence to that caller; empty: it holds."""


def never_lapsed() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Grant:
    """Whose a call is, and how long it may last by what its caller showed."""

    principal: Principal
    lapsed: Lapsed = never_lapsed
    carried: bytes = b""
    """What the token that it showed carries for its front; empty: nothing."""

"""The ways in which a run of `voice` can end, and the exceptions that stand for them."""

from enum import IntEnum
from typing import cast


class Exit(IntEnum):
    """The exit statuses of `voice`."""

    ANSWERED = 0
    BAD_INPUT = 2
    UNREACHABLE = 3
    CALL_BROKE = 4
    NOT_RECOGNISED = 5
    NO_REPLY_AUDIO = 6
    STOPPED = 130


class ClientError(Exception):
    """A run that cannot go on; its text is for the person at the terminal."""

    status = Exit.CALL_BROKE


class BadInputError(ClientError):
    """A file, an option or this machine's sound does not fit."""

    status = Exit.BAD_INPUT


class UnreachableError(ClientError):
    """No gateway answers at the address."""

    status = Exit.UNREACHABLE


class CallBrokenError(ClientError):
    """The gateway refused the call, ended it early, or fell silent."""

    status = Exit.CALL_BROKE

    def __init__(self, text: str, *, code: str = "") -> None:
        super().__init__(text)
        self.code = code
        """The gRPC status name, such as "UNAVAILABLE"; empty where there was none."""


def first_failure(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error that a task group failed with: ours before foreign, the first first."""
    ours = group.subgroup(ClientError) or group
    first: BaseException = ours
    while isinstance(first, BaseExceptionGroup):
        first = cast("BaseExceptionGroup[BaseException]", first).exceptions[0]
    return first

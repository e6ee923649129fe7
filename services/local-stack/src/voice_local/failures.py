"""Why the local stack cannot start, or go on."""

from typing import cast


class StartFailed(Exception):
    """Something that the user can put right is in the way; the text is one line that says it."""


class WeightsUnavailable(StartFailed):
    """A model's weights are not in the cache and no source gave them."""


class MissingExtra(StartFailed):
    """An engine was asked for whose package isn't installed."""


class ChatFailed(StartFailed):
    """The chat server did not start, or ended by itself."""


def first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first plain error in a group: what a caller outside the task group wants to hear."""
    group = errors
    while isinstance(inner := group.exceptions[0], BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", inner)
    return inner

"""Checks that a call ends in time, for a true reason, and with nothing left behind."""

import asyncio
from collections.abc import Iterator

from voice_gateway.errors import (
    BadMessage,
    CallerGone,
    CallError,
    CallerSilent,
    CallerSlow,
    CallLost,
)

from voice_sim.call_record import Ended, Left, Received, Record

_ROUNDING_S = 0.01
_CANCELLATION_S = 0.5  # of upstream calls
_UNREAD_S = 36.0  # for a message that is not read, and the goodbye after it
_LAST_ANSWER_S = 400.0  # for the answer to a caller who has hung up: an endless one, said slowly


def nothing_left(record: Record) -> Iterator[str]:
    """Every upstream call has ended, no task is left, and nothing failed unseen."""
    end = record.end
    if end.still_open:
        yield f"upstream calls outlive the call: {', '.join(end.still_open)}"
    if end.tasks:
        yield f"tasks outlive the call: {', '.join(end.tasks)}"
    for failure in end.broken:
        yield f"something failed where nobody could catch it: {failure}"


def the_end_comes(record: Record) -> Iterator[str]:
    """A call ends soon after the caller left, and by its timers where the caller stays."""
    options, end = record.script.call.options, record.end
    if end.at > options.longest_s + _UNREAD_S:
        yield f"the call lasted {end.at:.1f} s; its longest is {options.longest_s:g} s"
    elif end.hung:
        yield "the call hung"
    for at, limit_s, why in _causes(record):
        if end.at - at > limit_s:
            yield f"the call went on for {end.at - at:.1f} s after {why} at {at:.2f}"


def _causes(record: Record) -> Iterator[tuple[float, float, str]]:
    call = record.script.call
    taken = 0.0
    for entry in record.entries:
        match entry:
            case Left(at, "vanished"):
                yield at, _CANCELLATION_S, "the caller vanished"
            case Left(at, "drained"):
                yield at, _LAST_ANSWER_S, "the gateway drained"
            case Received(at, None):
                taken = float("inf")
            case Received(at):
                taken = at
            case _:
                pass
    if call.ending == "hangs up":
        yield call.ends_at, _LAST_ANSWER_S, "the caller hung up"
    yield taken, call.options.idle_timeout_s + _UNREAD_S, "the caller's last message"


def true_reasons(record: Record) -> Iterator[str]:
    """A call fails only with a documented error, which names what happened."""
    end = record.end
    if end.hung:
        return
    if isinstance(end.error, asyncio.CancelledError):
        if not any(isinstance(e, Left) for e in record.entries):
            yield "the call was cancelled from inside"
    elif end.error is None:
        if record.faults & {"caller gone"}:
            yield "the call ended well, though the caller was gone"
    elif not isinstance(end.error, CallError):
        yield f"the call broke: {end.error!r}"
    elif not _true(end.error, record):
        yield f"the call ended with {end.error!r}, which is not what happened"


def _true(error: CallError, record: Record) -> bool:
    faults, end = record.faults, record.end
    longest_s = record.script.call.options.longest_s
    match error:
        case CallerSilent():
            return _was_silent(end, record) or end.at + _ROUNDING_S >= longest_s
        case CallerSlow():
            return bool(faults & {"caller stopped reading", "caller slow"})
        case CallerGone():
            return "caller gone" in faults
        case BadMessage():
            return "asr rejected" in faults
        case CallLost():
            drained = any(isinstance(e, Left) and e.how == "drained" for e in record.entries)
            return drained or any(fault.startswith("asr") for fault in faults)
        case _:
            return False


def _was_silent(end: Ended, record: Record) -> bool:
    """Whether the gateway waited for the caller in vain; the goodbye may have taken time."""
    since = end.receiving_since
    return (
        since is not None
        and end.at - since + _ROUNDING_S >= record.script.call.options.idle_timeout_s
    )

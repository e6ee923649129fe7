"""Limits of the tests of every package: one that expires costs its own test, and nothing else.

A test has the seconds of its `timeout` marker, or else of the setting, for its own call: what its
fixtures take does not count. A coroutine is cancelled in its own event loop, so that it can clean
up. An alarm ends everything else; it comes again, because what it raises in a callback is lost.
"""

import asyncio
import functools
import gc
import inspect
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any, cast

import pytest
import pytest_timeout
from hypothesis import HealthCheck, settings

FIXTURES_S = 900.0
"""For the fixtures of one test: the first start of the models fetches them."""
GRACE_S = 30.0
"""For the clean-up of a coroutine that was cancelled at its limit."""
AGAIN_S = 10.0

Test = Callable[..., Awaitable[None]]

# gRPC logs what it is told by peers that tests kill; whatever matters is raised as an error.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # noqa: TID251  # gRPC reads it

# No example is late, and no drawing slow, because a machine is busy. The examples are the same each
# time; `--hypothesis-profile search` draws new ones.
_ON_A_BUSY_MACHINE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", _ON_A_BUSY_MACHINE, derandomize=True)
settings.register_profile("search", _ON_A_BUSY_MACHINE)
settings.load_profile("same")


def pytest_configure() -> None:
    """Let Ctrl-C end the programs of the tests also where a shell runs all this in its background.

    Such a shell has it ignored, which programs take over from those that start them.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest: several workers then end at the same time."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    with _alarm(item, FIXTURES_S):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    with _alarm(item, FIXTURES_S):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    limit_s = _settings(item).timeout
    if not (limit_s and isinstance(item, pytest.Function) and _is_coroutine(item)):
        return (yield)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(item, "obj", _limited(item.obj, limit_s))
        return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> bool:
    """Leave a coroutine the time to end by itself before the alarm."""
    grace_s = GRACE_S if _is_coroutine(item) else 0.0
    return _set_alarm(item, settings._replace(timeout=settings.timeout + grace_s))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, object, object]:
    """Collect no garbage meanwhile.

    A report parses source, and CPython 3.11 takes offence ("AST constructor recursion depth
    mismatch") where a finaliser's traceback makes it parse other source in the midst of it.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def _is_coroutine(item: pytest.Item) -> bool:
    return inspect.iscoroutinefunction(getattr(item, "obj", None))


def _limited(test: Test, limit_s: float) -> Test:
    @functools.wraps(test)
    async def within(*arguments: Any, **named: Any) -> None:
        __tracebackhide__ = True
        telling = asyncio.get_running_loop().call_later(limit_s, _tell_where)
        limit = asyncio.timeout(limit_s)
        try:
            async with limit:
                await test(*arguments, **named)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise TimeoutError(f"the test took longer than {limit_s:g} s") from error.__cause__
        finally:
            telling.cancel()

    return within


def _tell_where() -> None:
    """Show what every task waits for."""
    for task in asyncio.all_tasks():
        task.print_stack(file=sys.stderr)


def _settings(item: pytest.Item) -> Any:
    return cast(Any, pytest_timeout)._get_item_settings(item)


def _set_alarm(item: pytest.Item, settings: Any) -> bool:
    cast(Any, pytest_timeout).pytest_timeout_set_timer(item, settings)
    if settings.method == "signal":
        signal.setitimer(signal.ITIMER_REAL, settings.timeout, AGAIN_S)
    return True


@contextmanager
def _alarm(item: pytest.Item, limit_s: float) -> Generator[None]:
    _set_alarm(item, _settings(item)._replace(timeout=limit_s))
    try:
        yield
    finally:
        item.config.hook.pytest_timeout_cancel_timer(item=item)

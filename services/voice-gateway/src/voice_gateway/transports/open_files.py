"""How many files, connections among them, this process may have open."""

import logging
import resource

log = logging.getLogger(__name__)

_ENOUGH = 65_536
_FILES_PER_CALL = 4
"""A call's own connection, and its share of those to recogniser, voice and model."""
_FILES_ALWAYS = 64
_HTTP_SHARE = 3
"""The HTTP port takes at most this part of the files: gRPC and the upstreams need the others."""
_HTTP_BESIDE_CALLS = 256


def raise_limit(calls: int) -> int:
    """Raise the limit as far as it may be; say where it is low for so many calls. Returns it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < most:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        except (OSError, ValueError):  # macOS has a limit of its own below "no limit"
            log.info("the limit of open files stays at %d", soft)
    files, needed = limit(), calls * _FILES_PER_CALL + _FILES_ALWAYS
    if files < needed:
        log.warning(
            "%d files may be open, and MAX_CALLS=%d needs about %d; raise `ulimit -n`",
            files,
            calls,
            needed,
        )
    return files


def limit() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _ENOUGH if soft == resource.RLIM_INFINITY else soft


def http_connections(calls: int, files: int) -> int:
    """How many connections the HTTP port may have."""
    return max(16, min(calls + _HTTP_BESIDE_CALLS, files // _HTTP_SHARE))

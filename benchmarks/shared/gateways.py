"""How the gateway and the local stack are started for a benchmark: on free ports of 127.0.0.1."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager

from shared.processes import Child, child

_LOOPBACK = {"GRPC_HOST": "127.0.0.1", "GRPC_PORT": "0", "HTTP_HOST": "127.0.0.1", "HTTP_PORT": "0"}
ADMITS_ALL = {"ADMIT_BY_LOAD": "false", "NEW_CALLS_PER_S": "0"}
"""All calls come from one address, at once, and what is measured is not whether they may."""
_READY_S = 60.0
_FETCH_S = 900.0  # the first start fetches the models


def scripted_settings(at: Mapping[str, str], calls: int) -> dict[str, str]:
    """A gateway's environment before scripted upstreams at these addresses, for so many calls."""
    return {
        **upstreams(at),
        "MAX_CALLS": str(calls * 2),
        **ADMITS_ALL,
        "LOG_LEVEL": "WARNING",
        "LLM_WARM_UP": "false",
        "TTS_TRIM_MS": "0",  # the scripted voice is no speech: its ramp would pass for silence
    }


def upstreams(at: Mapping[str, str]) -> dict[str, str]:
    """The settings that name upstreams, from a ready line of theirs."""
    return {"RIVA_URI": at["riva"], "LLM_BASE_URL": at["llm"]}


@asynccontextmanager
async def gateway(
    name: str,
    settings: Mapping[str, str],
    options: Sequence[str] = (),
    module: str = "voice_gateway",
) -> AsyncGenerator[tuple[Child, dict[str, str]]]:
    """A gateway as it is shipped, and its addresses; `options` are Python's own.

    `module` is what runs it, where something looks on from inside.
    """
    command = [*options, "-m", module]
    async with child(name, command, _LOOPBACK | dict(settings)) as process:
        yield process, await process.ready(_READY_S)


@asynccontextmanager
async def local_stack(*options: str) -> AsyncGenerator[dict[str, str]]:
    """The local stack's addresses: real models, on this machine's processors."""
    command = ["-m", "voice_local", "--riva-port", "0", *options]
    async with child("voice-local", command) as process:
        yield await process.ready(_FETCH_S)

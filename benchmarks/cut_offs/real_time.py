"""Says the labelled turns in real time to a gateway, and reads what it noted in its event log."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from voice_gateway.testing.line import dial
from voice_proto import voice_workflow_pb2 as pb

from cut_offs.labelled_turns import RATE_HZ, Turn
from shared.clock import now
from shared.gateways import gateway, local_stack, upstreams

_CHUNK = 2 * RATE_HZ // 50  # 20 ms
_PATIENCE_S = 180.0  # for the longest turn and its answer, on a busy machine

Step = Mapping[str, Any]
"""One line of an event log: an event with its time, and the commands that came of it."""


class Ear:
    """A gateway before the local stack's recogniser that notes what it hears."""

    def __init__(self, address: str, logs: Path) -> None:
        self._address = address
        self._logs = logs

    async def hear(self, turn: Turn) -> list[Step]:
        """Say the turn in a call of its own; the steps, with times in seconds of the turn."""
        known = set(self._logs.iterdir())
        async with dial(self._address, _PATIENCE_S) as line, asyncio.TaskGroup() as tasks:
            await line.say(config=pb.VoiceConfig(language_code="en-US", sample_rate=RATE_HZ))
            reading = tasks.create_task(line.rest())
            began = now()
            for at in range(0, len(turn.pcm), _CHUNK):
                await asyncio.sleep(began + (at + _CHUNK) / 2 / RATE_HZ - now())
                await line.say(audio_chunk=turn.pcm[at : at + _CHUNK])
            await line.hang_up()
            await reading
        (log,) = set(self._logs.iterdir()) - known
        return [_from(began, step) for step in _steps(log)]


def _steps(log: Path) -> list[Step]:
    return [step for step in map(json.loads, log.read_text().splitlines()) if "event" in step]


def _from(began: float, step: Step) -> Step:
    event = dict(step["event"])
    times = {name: event[name] - began for name in ("at", "since") if name in event}
    return {"event": event | times, "commands": step["commands"]}


@asynccontextmanager
async def ear(asr: str, settings: Mapping[str, str]) -> AsyncGenerator[Ear]:
    """Start the local stack, and a gateway with these settings in front of it."""
    options = ("--llm-port", "0", "--llm", "smollm2", "--asr", asr)
    with TemporaryDirectory() as logs:
        async with local_stack(*options) as at:
            own = {"LLM_MAX_TOKENS": "24", "RECORD_EVENTS_DIR": logs}
            started = gateway("gateway", upstreams(at) | own | dict(settings))
            async with started as (_, address):
                yield Ear(address["grpc"], Path(logs))

"""The pass-through's upstream: it plays to each call what a caller of the gateway got.

A caller names itself in its config's `session_id`: the number of the recording it is to get.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
from voice_proto import voice_workflow_pb2 as pb

from shared.clock import now

Recording = list[tuple[float, int]]
"""Each message's time since the call's config, and its size in bytes."""


@dataclass(slots=True)
class Mirrored:
    """When each message of a call came and went, by the loop's clock."""

    came_at: list[float] = field(default_factory=list[float])
    went_at: list[float] = field(default_factory=list[float])


@dataclass(slots=True)
class Mirror:
    recordings: list[Recording] = field(default_factory=list[Recording])
    calls: dict[int, Mirrored] = field(default_factory=dict[int, Mirrored])

    async def stream_audio(self, _requests: Any, context: Any) -> None:
        first = pb.ClientMessage.FromString(await context.read())
        ordinal = int(first.config.session_id)
        call = self.calls[ordinal] = Mirrored([now()])
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._take(call, context))
            await self._play(call, self.recordings[ordinal % len(self.recordings)], context)

    async def _take(self, call: Mirrored, context: Any) -> None:
        while await context.read() is not grpc.aio.EOF:
            call.came_at.append(now())

    async def _play(self, call: Mirrored, recording: Recording, context: Any) -> None:
        started_at = call.came_at[0]
        for offset_s, size in recording:
            await asyncio.sleep(started_at + offset_s - now())
            call.went_at.append(now())
            await context.write(message_of(size))


def message_of(size: int) -> bytes:
    """A ServerMessage with audio, of this size on the wire to within two bytes."""
    length = max(size - 2, 0)
    while length and pb.ServerMessage(audio_chunk=bytes(length)).ByteSize() > size:
        length -= 1
    return pb.ServerMessage(audio_chunk=bytes(length)).SerializeToString()

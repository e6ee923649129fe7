"""One caller after the other in a process of its own, with time to write and read while many rush.

    python -m rush.lone_caller URI BEGINS_AT SECONDS

Each hangs up as soon as it knows whether it is admitted. Writes the seconds to each refusal and the
number of those who were admitted, as JSON.
"""

import asyncio
import json
import sys
from typing import Any

import grpc
import grpc.aio
from voice_proto import voice_workflow_pb2 as pb

from shared.clock import now
from shared.connection import open_stub
from shared.recordings import RATE_HZ

_EVERY_S = 0.05
_ANSWER_S = 10.0


async def _call(stub: Any) -> float | None:
    """Call once; return the seconds to the refusal, None where the call was admitted."""
    called_at, stream = now(), stub.StreamAudio()
    try:
        async with asyncio.timeout(_ANSWER_S):
            await stream.write(pb.ClientMessage(config=pb.VoiceConfig(sample_rate=RATE_HZ)))
            await stream.read()
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        if await stream.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
            raise
        return now() - called_at
    finally:
        stream.cancel()
    return None


async def _main(uri: str, begins_at: float, seconds: float) -> None:
    refusals_s, admitted = list[float](), 0
    async with open_stub(uri) as stub:
        await asyncio.sleep(begins_at - now())
        while now() < begins_at + seconds:
            refused_s = await _call(stub)
            if refused_s is None:
                admitted += 1
            else:
                refusals_s.append(refused_s)
            await asyncio.sleep(_EVERY_S)
    print(json.dumps({"refusals_s": refusals_s, "admitted": admitted}))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3])))

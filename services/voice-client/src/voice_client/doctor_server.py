"""The doctor's checks of the way to the gateway, and of the gateway."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownParameterType=false
# (the generated stubs of health and reflection ship no types)

import asyncio
import http.client
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast

import grpc
import grpc.aio
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from voice_proto import voice_workflow_pb2 as wire

from voice_client.call import Gateway, Hello, dial
from voice_client.doctor import Finding, failed, fine, warning
from voice_client.failures import ClientError, Exit
from voice_client.readiness import trouble
from voice_client.sayings import read_sayings
from voice_client.screen import Nobody
from voice_client.talk import Talk, TalkOptions
from voice_client.turns import Turns

REACH_S = 5.0
PINGS = 10
SLOW_MS = 150
UNEVEN_MS = 100
CLOCK_APART_S = 5.0
QUESTION = "@en_nlp_question"
ASKING_S = 30.0

_TUNNEL = """\
Is the gateway running, and is the tunnel open?
  on the cluster's head node
    kubectl -n voice-workflow port-forward svc/voice-gateway-gateway 50051:50051
  on this machine
    ssh -N -L 50051:localhost:50051 USER@HOST"""
_KEY = "set VOICE_API_KEY, or --key, to the key you were given"
_UPSTREAMS = (
    "the gateway runs, but not everything behind it: see http://HOST:8080/readyz, or on the "
    "cluster scripts/status.sh"
)


@dataclass(frozen=True, slots=True)
class ServerChecks:
    """The checks of one gateway."""

    gateway: Gateway
    http_port: int
    patience_s: float

    @property
    def host(self) -> str:
        return self.gateway.address.rpartition(":")[0].strip("[]")

    async def reach(self) -> Finding:
        """Connect to the port, through tunnel and firewall."""
        port = int(self.gateway.address.rpartition(":")[2])
        now = asyncio.get_running_loop().time
        began = now()
        try:
            async with asyncio.timeout(REACH_S):
                _, writer = await asyncio.open_connection(self.host, port)
        except TimeoutError:
            return failed(f"{self.gateway.address}: no answer within {REACH_S:g} s", _TUNNEL)
        except OSError as error:
            return failed(f"{self.gateway.address}: {error.strerror or error}", _TUNNEL)
        writer.close()
        return fine(f"{self.gateway.address} takes connections ({(now() - began) * 1000:.0f} ms)")

    async def serves(self) -> Finding:
        """Ask grpc.health.v1 for the process and for the service."""
        async with self.gateway.channel() as channel:
            try:
                process = await _health(channel, "")
            except grpc.aio.AioRpcError as error:
                return _no_grpc(error)
            if process != health_pb2.HealthCheckResponse.SERVING:
                return failed("the gateway is stopping", "try again in half a minute")
            try:
                service = await _health(channel, "voice_workflow.VoiceGateway")
            except grpc.aio.AioRpcError as error:
                return failed(f"no voice gateway: {error.code().name}", "is it another server?")
            said = await trouble(channel, self.gateway.metadata)
        if service != health_pb2.HealthCheckResponse.SERVING:
            return failed(said or "the gateway is not ready", _UPSTREAMS)
        return fine("gRPC answers, and the voice service is ready")

    async def contract(self) -> Finding:
        """Compare the gateway's contract with ours, by reflection."""
        async with self.gateway.channel() as channel:
            try:
                theirs = await _reflected(channel, self.gateway.metadata)
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.UNAUTHENTICATED:
                    return failed(f"the gateway asks for a key: {error.details()}", _KEY)
                return warning(f"unknown: reflection says {error.code().name}", "an older gateway?")
        ours = descriptor_pb2.FileDescriptorProto()
        wire.DESCRIPTOR.CopyToProto(ours)
        lacks, more = sorted(_fields(ours) - theirs), sorted(theirs - _fields(ours))
        if lacks:
            found = f"the gateway is older than this client: it lacks {', '.join(lacks)}"
            return warning(found, "nothing breaks; update the gateway to use them")
        if more:
            found = f"this client is older than the gateway: it lacks {', '.join(more)}"
            return warning(found, "nothing breaks; update the client to use them")
        return fine(f"the same on both sides, {len(theirs)} fields")

    async def round_trip(self) -> Finding:
        """Time small requests over one connection."""
        now = asyncio.get_running_loop().time
        took_ms: list[float] = []
        async with self.gateway.channel() as channel:
            await _health(channel, "")
            for _ in range(PINGS):
                began = now()
                await _health(channel, "")
                took_ms.append((now() - began) * 1000)
        usual, worst = statistics.median(took_ms), max(took_ms)
        found = f"{usual:.1f} ms, worst of {PINGS} {worst:.1f} ms"
        if usual > SLOW_MS:
            return warning(found, "every answer comes later by that; is there a nearer gateway?")
        if worst - usual > UNEVEN_MS:
            return warning(found, "uneven, the voice may stutter; a cable instead of Wi-Fi helps")
        return fine(found)

    async def http(self) -> Finding:
        """Ask the HTTP port, which a voice client does not need, whether all is ready."""
        try:
            status, body, _ = await self._get("/readyz")
        except (OSError, http.client.HTTPException) as error:
            said = f"nothing at {self.host}:{self.http_port}: {error}"
            return warning(said, f"only for the page: ssh -N -L {self._forward()} USER@HOST")
        if status == 200:
            return fine(f"{self.host}:{self.http_port} is ready")
        return warning(f"{self.host}:{self.http_port} is not ready: {body[:200]}", _UPSTREAMS)

    async def clock(self) -> Finding:
        """Compare this machine's clock with the gateway's."""
        try:
            _, _, date = await self._get("/healthz")
        except (OSError, http.client.HTTPException):
            return warning("unknown: only the HTTP port tells the time", "")
        try:
            apart_s = (datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds()
        except ValueError:
            return warning(f"the gateway's date makes no sense: {date!r}", "")
        found = f"{abs(apart_s):.0f} s {'ahead of' if apart_s > 0 else 'behind'} the gateway's"
        if abs(apart_s) > CLOCK_APART_S:
            advice = "calls work, certificates and logs may not: switch network time on"
            return warning(found, advice)
        return fine("agrees with the gateway's")

    async def conversation(self) -> Finding:
        """Ask a recorded question and receive the answer: recognition, model and voice."""
        sayings, rate_hz = read_sayings([QUESTION], [])
        turns = Turns(rate_hz)
        try:
            async with dial(self.gateway, Hello(rate_hz), self.patience_s) as call:
                talk_options = TalkOptions(
                    trailing_silence_s=5.0, patience_s=min(self.patience_s, ASKING_S)
                )
                await Talk(call, turns, Nobody(), talk_options).run(sayings)
        except ClientError as error:
            return failed(str(error), _UPSTREAMS)
        return _judged(turns)

    async def _get(self, path: str) -> tuple[int, str, str]:
        key = self.gateway.key
        shown = {"Authorization": f"Bearer {key}"} if key else {}
        return await asyncio.to_thread(_http_get, self.host, self.http_port, path, shown)

    def _forward(self) -> str:
        return f"{self.http_port}:localhost:{self.http_port}"


def _judged(turns: Turns) -> Finding:
    faults = [fault for turn in turns.all for fault in turn.faults]
    if faults:
        first = faults[0]
        return failed(f"{first.stage} {first.code}: {first.note}", _UPSTREAMS)
    outcome = turns.outcome()
    if outcome is Exit.NOT_RECOGNISED:
        return failed("a recorded question was not recognised", "is the language right?")
    if outcome is Exit.NO_REPLY_AUDIO:
        return failed("a recorded question got no spoken answer", _UPSTREAMS)
    turn = turns.all[-1]
    took = turn.stages.total_ms if turn.stages else turn.measured_ms
    return fine(f"asked {turn.heard!r}, answered after {took} ms")


def _no_grpc(error: grpc.aio.AioRpcError) -> Finding:
    details = error.details() or ""
    if error.code() is grpc.StatusCode.UNIMPLEMENTED:
        return failed("a gRPC server, but no gateway of ours", "is it another service's port?")
    return failed(
        f"no gRPC: {error.code().name}: {details[:120]}",
        "does the port speak TLS (try --tls or --ca PEM)? Is a proxy in between without HTTP/2?",
    )


async def _health(channel: grpc.aio.Channel, service: str) -> int:
    stub = cast("Any", health_pb2_grpc.HealthStub(channel))
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=REACH_S)
    return int(answer.status)


async def _reflected(channel: grpc.aio.Channel, metadata: Sequence[tuple[str, str]]) -> set[str]:
    """Return the gateway's fields, such as "VoiceConfig.can_pause"; empty without reflection."""
    stub = cast("Any", reflection_pb2_grpc.ServerReflectionStub(cast("Any", channel)))
    question = reflection_pb2.ServerReflectionRequest(
        file_containing_symbol="voice_workflow.VoiceGateway"
    )
    found: set[str] = set()
    answers = stub.ServerReflectionInfo(iter([question]), timeout=REACH_S, metadata=tuple(metadata))
    async for answer in answers:
        for file in answer.file_descriptor_response.file_descriptor_proto:
            found |= _fields(descriptor_pb2.FileDescriptorProto.FromString(file))
    return found


def _fields(file: descriptor_pb2.FileDescriptorProto) -> set[str]:
    fields = {f"{it.name}.{field.name}" for it in file.message_type for field in it.field}
    return fields | {value.name for it in file.enum_type for value in it.value}


def _http_get(host: str, port: int, path: str, headers: dict[str, str]) -> tuple[int, str, str]:
    """Return the status, the body and the Date of the answer."""
    connection = http.client.HTTPConnection(host, port, timeout=REACH_S)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read(4096).decode(errors="replace"), answer.headers["Date"]
    finally:
        connection.close()

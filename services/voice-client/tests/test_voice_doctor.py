"""`voice doctor`: what it finds in a healthy gateway, in broken ones, in the devices."""

# pyright: reportUnknownMemberType=false
# (the generated stubs of health ship no types)

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import grpc.aio
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from voice_client.__main__ import run
from voice_client.call import Gateway
from voice_client.doctor import Finding, Verdict
from voice_client.doctor_server import ServerChecks
from voice_client.doctor_sound import SoundChecks
from voice_client.failures import Exit
from voice_client.options import read_options
from voice_client.testing import Caller, ScriptedGateway
from voice_proto import voice_workflow_pb2 as wire
from voice_proto import voice_workflow_pb2_grpc as stubs

SERVICE = "voice_workflow.VoiceGateway"
STAND_IN = Path(__file__).parent / "stand_in"
LATENCY = wire.TurnLatency(endpoint_ms=300, total_ms=600)


async def answer(caller: Caller) -> None:
    await caller.accept()
    await caller.samples(16_000)
    await caller.heard("what is natural language processing", final=True)
    await caller.answer("A field.", b"\1\2" * 1600)
    await caller.half_close()


@asynccontextmanager
async def gateway(ready: bool = True) -> AsyncGenerator[str]:
    """A gateway with all its services that follows a script."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    stubs.add_VoiceGatewayServicer_to_server(ScriptedGateway(answer), server)
    states = cast("Any", health).aio.HealthServicer()
    cast("Any", health_pb2_grpc).add_HealthServicer_to_server(states, server)
    state = health_pb2.HealthCheckResponse
    await states.set(SERVICE, state.SERVING if ready else state.NOT_SERVING)
    reflection.enable_server_reflection((SERVICE, reflection.SERVICE_NAME), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


@asynccontextmanager
async def http(status: str, date: str) -> AsyncGenerator[int]:
    """An HTTP port that always says the same."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\nDate: {date}\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        writer.close()

    server = await asyncio.start_server(say, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def checks(address: str, http_port: int = 9) -> ServerChecks:
    return ServerChecks(Gateway(address), http_port, patience_s=60.0)


async def test_a_healthy_gateway_is_found_so():
    async with gateway() as address:
        it = checks(address)
        found = [await it.reach(), await it.serves(), await it.contract(), await it.round_trip()]
        found.append(await it.conversation())
    assert {finding.verdict for finding in found} == {Verdict.OK}
    assert found[2].found.startswith("the same on both sides, ")
    assert found[4].found == ("asked 'what is natural language processing', answered after 550 ms")


async def test_nobody_at_the_other_end():
    finding = await checks("127.0.0.1:9").reach()
    assert finding.verdict is Verdict.FAILED
    assert "ssh -N -L 50051:localhost:50051" in finding.advice


async def test_a_port_that_speaks_no_grpc_is_told_from_a_gateway():
    async with http("200 OK", "") as port:
        finding = await checks(f"127.0.0.1:{port}").serves()
    assert finding.verdict is Verdict.FAILED
    assert finding.found.startswith("no gRPC: ")
    assert "TLS" in finding.advice


async def test_a_gateway_that_is_not_ready():
    async with gateway(ready=False) as address:
        finding = await checks(address).serves()
    assert finding.found.startswith("the gateway is not ready: a service behind it does not answer")
    assert "readyz" in finding.advice


async def test_a_gateway_that_asks_for_a_key_says_what_to_do(monkeypatch: pytest.MonkeyPatch):
    async def keyed(channel: object, metadata: object) -> set[str]:
        nothing = grpc.aio.Metadata()
        raise grpc.aio.AioRpcError(
            grpc.StatusCode.UNAUTHENTICATED, nothing, nothing, "No API key was given."
        )

    monkeypatch.setattr("voice_client.doctor_server._reflected", keyed)
    async with gateway() as address:
        finding = await checks(address).contract()
    assert finding.verdict is Verdict.FAILED
    assert finding.found == "the gateway asks for a key: No API key was given."
    assert "VOICE_API_KEY" in finding.advice


async def test_an_older_gateway_is_named_with_what_it_lacks(monkeypatch: pytest.MonkeyPatch):
    async def older(channel: object, metadata: object) -> set[str]:
        return {"VoiceConfig.language_code"}

    monkeypatch.setattr("voice_client.doctor_server._reflected", older)
    async with gateway() as address:
        finding = await checks(address).contract()
    assert finding.verdict is Verdict.WARNING
    assert "older than this client: it lacks " in finding.found
    assert "VoiceConfig.can_pause" in finding.found


@pytest.mark.parametrize(
    ("status", "date", "ready", "clock"),
    [
        ("200 OK", "Sat, 01 Jan 2000 00:00:00 GMT", "is ready", "ahead of the gateway's"),
        ("503 No", "Fri, 01 Jan 2100 00:00:00 GMT", "is not ready: {}", "behind the gateway's"),
        ("200 OK", "today", "is ready", "the gateway's date makes no sense: 'today'"),
    ],
)
async def test_the_http_port_and_the_clock(status: str, date: str, ready: str, clock: str):
    async with http(status, date) as port:
        it = checks("127.0.0.1:1", port)
        assert (await it.http()).found.endswith(ready)
        assert (await it.clock()).found.endswith(clock)


async def test_what_needs_a_failed_check_is_skipped(capsys: pytest.CaptureFixture[str]):
    options = ["doctor", "--server", "127.0.0.1:9", "--no-sound", "--json"]
    assert await run(read_options(options)) is Exit.UNREACHABLE
    told = json.loads(capsys.readouterr().out)
    verdicts = {check["check"]: check["verdict"] for check in told["checks"]}
    assert told["status"] == 3
    assert verdicts.pop("address") == "failed"
    assert set(verdicts.values()) == {"skipped"}
    assert "gateway" in verdicts


async def test_findings_are_shown_with_their_advice(capsys: pytest.CaptureFixture[str]):
    async with gateway() as address:
        options = ["doctor", "--server", address, "--no-sound", "--http-port", "9"]
        assert await run(read_options(options)) is Exit.ANSWERED
    told = capsys.readouterr().out
    assert f"ok       address      {address} takes connections (" in told
    assert "\nwarning  HTTP port    nothing at 127.0.0.1:9: " in told
    assert "\n                      only for the page: ssh -N -L 9:localhost:9 USER@HOST\n" in told
    assert "\nok       question     asked 'what is natural language processing'" in told


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], object]:
    """The stand-in's devices; return what lets its microphone hear something."""
    monkeypatch.syspath_prepend(str(STAND_IN))
    monkeypatch.setenv("STAND_IN_SAYS", str(tmp_path / "says"))
    monkeypatch.setenv("STAND_IN_HEARS", str(tmp_path / "hears"))
    return (tmp_path / "says").write_bytes


async def sound() -> tuple[Finding, Finding]:
    it = SoundChecks("", "")
    return await it.microphone(), await it.loudspeaker()


async def test_a_microphone_whose_clock_runs_wild_is_found_out(says: Callable[[bytes], object]):
    says(b"\3\3" * 16_000 * 8)  # the stand-in's clock is four times too fast
    ears, mouth = await sound()
    assert ears.verdict is Verdict.WARNING
    assert "samples a second instead of 16000" in ears.found
    assert mouth.verdict is Verdict.OK
    assert mouth.found.startswith("Desk Speaker, 16000 Hz, 20 ms from mouth to ear; notes were ")


async def test_digital_silence_brings_the_hint_about_the_permission(
    says: Callable[[bytes], object],
):
    says(b"")
    ears, _ = await sound()
    assert ears.verdict is Verdict.FAILED
    assert "Privacy & Security > Microphone" in ears.advice


async def test_without_a_microphone_it_says_so(
    says: Callable[[bytes], object], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("STAND_IN_NO_MICROPHONE", "1")
    ears, _ = await sound()
    assert ears.verdict is Verdict.FAILED
    assert "no microphone" in ears.advice

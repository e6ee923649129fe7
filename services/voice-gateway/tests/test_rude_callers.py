"""Callers on gRPC who take nothing, or send what is no message: their call alone ends."""

import asyncio
import logging
from typing import Any, cast

import aiohttp
import grpc.aio
import pytest
from voice_gateway.errors import CallerGone
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva
from voice_gateway.transports.grpc import accept, calm
from voice_proto import voice_workflow_pb2 as pb
from voice_proto import voice_workflow_pb2_grpc as stubs

LONG = "Once upon a time there was a fox. " * 12
BROKEN_BATCH = grpc.aio.BaseError("Failed to execute a batch of operations.")
_NARROW = (("grpc.http2.lookahead_bytes", 1024), ("grpc.http2.bdp_probe", 0))


async def calls_that_ended(port: int, how: str) -> bool:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{port}/metrics") as answer,
    ):
        return f'voice_calls_total{{front="grpc",outcome="{how}"}} 1.0' in await answer.text()


async def test_a_caller_who_never_reads_is_let_go_and_the_others_hear_nothing_of_it(
    serve: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr("voice_gateway.call.session._SEND_S", 0.3)
    async with (
        serve(FakeRiva(voice_first_audio_s=0.01), FakeChat([LONG, "Hello."])) as gateway,
        grpc.aio.insecure_channel(f"127.0.0.1:{gateway.port}", options=_NARROW) as channel,
        gateway.dial() as other,
    ):
        mute = cast(Any, stubs.VoiceGatewayStub(channel)).StreamAudio()
        await mute.write(pb.ClientMessage(config=pb.VoiceConfig(sample_rate=48_000)))
        await mute.write(pb.ClientMessage(text_input="tell me a story"))
        async with asyncio.timeout(60):
            while not await calls_that_ended(gateway.http_port, "slow"):
                pass
        await other.say(config=pb.VoiceConfig())
        await other.say(text_input="hello")
        await other.until(pb.END_OF_TURN)
        mute.cancel()
    assert [r for r in caplog.records if r.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("at_first", [True, False])
async def test_bytes_that_are_no_message_are_told_to_be_none(
    serve: Any, at_first: bool, caplog: pytest.LogCaptureFixture
):
    method = "/voice_workflow.VoiceGateway/StreamAudio"
    async with (
        serve(FakeRiva(), FakeChat()) as gateway,
        grpc.aio.insecure_channel(f"127.0.0.1:{gateway.port}") as channel,
    ):
        raw = cast(Any, channel).stream_stream(method)()
        if not at_first:
            await raw.write(pb.ClientMessage(config=pb.VoiceConfig()).SerializeToString())
            await raw.read()
        await raw.write(b"\xff\xff\xff")
        assert await raw.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert await raw.details() == "a message is no ClientMessage; see voice_workflow.proto"
    assert [r for r in caplog.records if r.levelno >= logging.ERROR] == []


class Vanished:
    """A stream whose caller is gone, which gRPC has not noticed yet."""

    async def send_initial_metadata(self, _metadata: object) -> None:
        raise BROKEN_BATCH


async def test_a_caller_who_vanishes_at_the_wrong_moment_is_gone_and_nothing_broke(
    caplog: pytest.LogCaptureFixture,
):
    with pytest.raises(CallerGone):
        await accept(cast(Any, Vanished()))
    loop = asyncio.get_running_loop()
    calm(loop, {"message": "Task exception was never retrieved", "exception": BROKEN_BATCH})
    assert caplog.records == []
    calm(loop, {"message": "a bug", "exception": RuntimeError("a bug")})
    assert [record.getMessage() for record in caplog.records] == ["a bug"]

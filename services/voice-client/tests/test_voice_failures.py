"""What goes wrong, and what `voice` says and returns then."""

import asyncio
import json
from importlib.metadata import version
from pathlib import Path
from typing import cast

import grpc
import pytest
from voice_client.__main__ import line_echo as line_echo_of
from voice_client.__main__ import run
from voice_client.call import REASON_LOST, Call, Gateway, Hello, Stream
from voice_client.failures import CallBrokenError, Exit
from voice_client.options import read_options
from voice_client.testing import Caller, Script, scripted_gateway
from voice_proto import voice_workflow_pb2 as wire

CLIP = "@en_cards_10c"
REPLY = b"\x01\x02" * 160


async def voice(address: str, *arguments: str, timeout: str = "60") -> Exit:
    command, *rest = arguments
    return await run(read_options([command, "--server", address, "--timeout", timeout, *rest]))


async def fast(script: Script, *more: str, timeout: str = "60") -> Exit:
    async with scripted_gateway(script) as gateway:
        return await voice(gateway.address, "wav", CLIP, "--fast", *more, timeout=timeout)


async def test_nobody_listens(capsys: pytest.CaptureFixture[str]):
    async with scripted_gateway(Caller.accept) as gateway:
        address = gateway.address
    assert await voice(address, "wav", CLIP) is Exit.UNREACHABLE
    told = capsys.readouterr().err
    assert told.startswith(f"voice: cannot reach a gateway at {address}: no gRPC server answers")


async def test_a_refused_config(capsys: pytest.CaptureFixture[str]):
    async def refuse(caller: Caller) -> None:
        await caller.receive()
        await caller.context.abort(
            grpc.StatusCode.INVALID_ARGUMENT, "language_code is xx, allowed is en-US"
        )

    assert await fast(refuse) is Exit.CALL_BROKE
    told = capsys.readouterr().err
    assert told == (
        "voice: the call ended with INVALID_ARGUMENT: language_code is xx, allowed is en-US\n"
    )


@pytest.mark.parametrize(
    ("arguments", "variable", "shown"),
    [
        (["--key", "given"], "", ["Bearer given"]),
        ([], "kept", ["Bearer kept"]),
        (["--key", "given"], "kept", ["Bearer given"]),
        ([], "", []),
    ],
)
async def test_a_key_is_shown_to_the_gateway(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], variable: str, shown: list[str]
):
    given: list[object] = []

    async def refuse(caller: Caller) -> None:
        given.extend(
            v for k, v in caller.context.invocation_metadata() or () if k == "authorization"
        )
        await caller.context.abort(grpc.StatusCode.UNAUTHENTICATED, "Incorrect API key provided.")

    monkeypatch.setenv("VOICE_API_KEY", variable)
    assert await fast(refuse, *arguments) is Exit.CALL_BROKE
    assert given == shown


async def test_a_call_that_breaks_in_the_middle_names_its_status(
    capsys: pytest.CaptureFixture[str],
):
    async def stop(caller: Caller) -> None:
        await caller.accept()
        await caller.samples(3200)
        await caller.context.abort(grpc.StatusCode.UNAVAILABLE, "the gateway stops")

    async with scripted_gateway(stop) as gateway:
        assert await voice(gateway.address, "wav", CLIP, "--json") is Exit.CALL_BROKE
    report = json.loads(capsys.readouterr().out)
    assert (report["status"], report["outcome"], report["code"]) == (4, "call_broke", "UNAVAILABLE")
    assert report["error"] == "the call ended with UNAVAILABLE: the gateway stops"


async def test_a_call_that_ends_well_but_early_is_no_success(capsys: pytest.CaptureFixture[str]):
    async def leave(caller: Caller) -> None:
        await caller.accept()
        await caller.samples(1600)

    async with scripted_gateway(leave) as gateway:
        assert await voice(gateway.address, "wav", CLIP) is Exit.CALL_BROKE
    assert "the gateway ended the call before all was" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["hello", ""])
async def test_what_was_missing_is_told_apart(text: str, capsys: pytest.CaptureFixture[str]):
    async def silent(caller: Caller) -> None:
        await caller.accept()
        await caller.half_close()
        if text:
            await caller.heard(text, final=True)
            fault = wire.Fault(stage="tts", code="unavailable", retryable=True)
            await caller.event(wire.PROCESSING)
            await caller.event(wire.ERROR, note="no voice", fault=fault)
            await caller.event(wire.END_OF_TURN)

    status = await fast(silent)
    told = capsys.readouterr()
    if text:
        assert status is Exit.NO_REPLY_AUDIO
        assert "error: tts unavailable: no voice\n" in told.out
        assert told.err == "voice: no reply audio came\n"
    else:
        assert status is Exit.NOT_RECOGNISED
        assert told.err == "voice: nothing was recognised\n"


async def test_silence_after_a_recording_ends_by_itself():
    """Nothing is ever recognised: the trailing silence is finite, then comes the half-close."""

    async def deaf(caller: Caller) -> None:
        await caller.accept()
        await caller.half_close()

    async with scripted_gateway(deaf) as gateway:
        status = await voice(gateway.address, "wav", CLIP, "--trailing-silence", "0.1")
    assert status is Exit.NOT_RECOGNISED
    assert len(gateway.caller.pcm) > 2 * (17_526 + 1_600 - 320)


@pytest.mark.parametrize(
    ("wait_for", "complaint"),
    [
        (Caller.receive, "the gateway accepted no call within 2 s"),
        (Caller.accept, "the gateway said nothing more and did not end the call within 2 s"),
    ],
)
async def test_a_gateway_that_falls_silent_is_not_waited_for(
    wait_for: Script, complaint: str, capsys: pytest.CaptureFixture[str]
):
    async def hang(caller: Caller) -> None:
        await wait_for(caller)
        await asyncio.Event().wait()

    assert await fast(hang, timeout="2") is Exit.CALL_BROKE
    assert capsys.readouterr().err == f"voice: {complaint}\n"


async def test_a_missing_file_is_bad_input_before_anybody_is_called(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    missing = str(tmp_path / "no.wav")
    assert await voice("127.0.0.1:1", "wav", missing) is Exit.BAD_INPUT
    assert capsys.readouterr().err == f"voice: cannot read {missing}: No such file or directory\n"


async def test_an_unknown_clip_lists_the_known_ones(capsys: pytest.CaptureFixture[str]):
    assert await voice("127.0.0.1:1", "wav", "@nope") is Exit.BAD_INPUT
    assert "@nope: no such bundled clip; there are en_austen_0880, " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["wav"], "the following arguments are required: FILE"),
        (["wav", "x.wav", "--server", "nowhere"], "'nowhere' is not HOST:PORT"),
        (["wav", "x.wav", "--server", "host:99999"], "'host:99999' is not HOST:PORT"),
        (["wav", "x.wav", "--chunk-ms", "5"], "'5': allowed are 10 to 200 milliseconds"),
        (["wav", "x.wav", "--timeout", "0"], "'0': allowed are 0.1 to 3600 seconds"),
        (["wav", "x.wav", "--trailing-silence", "nan"], "'nan': allowed are 0 to 3600 seconds"),
        (["text", "x", "--key", "two words"], "a key has letters, digits and signs"),
        (["text", "x", "--key", "clé"], "a key has letters, digits and signs"),
        (["text", "  "], "a typed turn needs at least one character"),
        (["text", "x" * 4001], "4001 characters, allowed are 4000"),
        (["text", "x", "--prompt", "x" * 8001], "8001 characters, allowed are 8000"),
        (["text", "x", "--conversation", "x" * 129], "129 characters, allowed are 128"),
        ([], "the following arguments are required: mic|wav|text"),
        (["--louder"], "unrecognized arguments: --louder"),
        (["mic", "--louder"], "unrecognized arguments: --louder"),
    ],
)
def test_bad_usage_names_the_option_and_what_is_allowed(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as stopped:
        read_options(arguments)
    assert stopped.value.code == Exit.BAD_INPUT
    told = capsys.readouterr().err
    assert complaint in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["--version"], f"voice {version('voice-client')}\n"),
        (["--help"], "usage: voice [-h] [--version] mic|wav|text|devices|doctor|load"),
        *(
            ([command, "--help"], f"usage: voice {command} ")
            for command in ("mic", "wav", "text", "devices", "doctor", "load")
        ),
    ],
)
def test_help_and_version_answer(
    arguments: list[str], shown: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as stopped:
        read_options(arguments)
    assert stopped.value.code == 0
    assert capsys.readouterr().out.startswith(shown)


async def test_a_reason_that_grpc_lost_is_looked_for_in_the_gateways_log():
    class Broken:
        async def write(self, message: object) -> None:
            raise asyncio.InvalidStateError

        async def code(self) -> grpc.StatusCode:
            return grpc.StatusCode.INTERNAL

        async def details(self) -> str:
            return "Internal error from Core. RPC-level failure."

    call = Call(Gateway("127.0.0.1:1"), Hello(16_000), 30, cast("Stream", Broken()))
    with pytest.raises(CallBrokenError, match=REASON_LOST):
        await call.type("hello")


@pytest.mark.parametrize(
    ("options", "line_echo"),
    [
        ([], wire.LINE_ECHO_UNSPECIFIED),
        (["--headphones"], wire.NO_ECHO),
        (["--half-duplex"], wire.NO_ECHO),
        (["--echo-cancellation"], wire.ECHO_CANCELLED),
    ],
)
def test_a_microphone_says_what_comes_back_as_far_as_its_options_tell(
    options: list[str], line_echo: "wire.LineEcho"
):
    assert line_echo_of(read_options(["mic", *options])) == line_echo

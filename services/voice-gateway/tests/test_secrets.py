"""What an upstream says, its address and our keys: for nobody but the log, and keys not even there.

Every text that an upstream may send, and every address, holds a mark; no client sees one.
"""

import json
import logging
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from voice_gateway.errors import (
    Empty,
    Misconfigured,
    Rejected,
    ServiceError,
    TimedOut,
    Unavailable,
    without_credentials,
)
from voice_gateway.observe.log_lines import LogLines
from voice_gateway.settings import BadSetting, Settings, read_settings
from voice_gateway.testing.fake_chat import FakeChat, HttpError
from voice_gateway.testing.fake_faults import DieAfter, Refuse
from voice_gateway.testing.fake_riva import FakeRiva, Says
from voice_gateway.testing.program import connect
from voice_proto import voice_workflow_pb2 as pb

from .conftest import Serve

MARK = "internal-mark"
KEY = "sk-planted-key-0123"
PASSWORD = "hunter2-planted"
REFUSED = Refuse(grpc.StatusCode.UNAUTHENTICATED, f"{MARK} at 10.0.0.7: bad key {KEY}")
ALL = (MARK, KEY, PASSWORD, "10.0.0.7", "127.0.0.1", "alice")


def upstreams(**faults: Any) -> tuple[FakeRiva, FakeChat]:
    riva = FakeRiva(says=[Says("what is the weather", 0.3, 1.0)], voice_first_audio_s=0.01)
    chat = FakeChat(replies=["It is sunny."])
    chat.fault = faults.get("llm")
    riva.voice.fault, riva.asr.fault = faults.get("tts"), faults.get("asr")
    return riva, chat


FAULTS = [
    ("llm", HttpError(401, f"Incorrect API key provided: {KEY} ({MARK})")),
    ("llm", HttpError(500, f"{MARK}: worker 10.0.0.7 crashed")),
    ("tts", REFUSED),
    ("tts", Refuse(grpc.StatusCode.UNAVAILABLE, f"{MARK} 10.0.0.7 is down")),
    ("tts", Refuse(grpc.StatusCode.INVALID_ARGUMENT, f"{MARK}: no such voice")),
    ("tts", DieAfter(1, text=f"{MARK} died")),
]


@pytest.mark.parametrize(("stage", "fault"), FAULTS)
async def test_no_front_tells_a_client_what_an_upstream_said(
    serve: Serve, caplog: pytest.LogCaptureFixture, stage: str, fault: object
):
    async with serve(*upstreams(**{stage: fault}), llm_api_key=KEY, riva_api_key=KEY) as gateway:
        async with gateway.dial() as line:
            await line.say(config=pb.VoiceConfig())
            await line.say(text_input="hello")
            error = await line.until(pb.ERROR)
            await line.until(pb.END_OF_TURN)
        async with connect(gateway.http_port) as program:
            await program.type("hello")
            done = await program.until("response.done")
    told = [str(message) for message in line.received]
    told += [json.dumps(event) for event in program.received]
    assert error.fault.stage == stage
    assert done["response"]["status"] == "failed"
    assert [secret for secret in ALL if any(secret in each for each in told)] == []
    assert MARK in caplog.text  # whoever runs it finds out


@pytest.mark.parametrize(
    "refuse",
    [
        REFUSED,
        Refuse(grpc.StatusCode.UNAVAILABLE, f"{MARK} 10.0.0.7 is down"),
        Refuse(grpc.StatusCode.INVALID_ARGUMENT, f"{MARK}: no model at 10.0.0.7"),
    ],
)
async def test_nor_does_the_status_of_a_call_that_ends(
    serve: Serve, caplog: pytest.LogCaptureFixture, refuse: Refuse
):
    async with serve(*upstreams(asr=refuse)) as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig())
        await line.speak(1.0)
        await line.hang_up()
        code, details = await line.refusal()
    assert code is not grpc.StatusCode.OK
    told = [details, *map(str, line.received)]
    assert [secret for secret in ALL if any(secret in each for each in told)] == []
    assert MARK in caplog.text


async def test_an_address_with_credentials_shows_them_nowhere(
    serve: Serve, caplog: pytest.LogCaptureFixture
):
    address = {"llm_base_url": f"http://alice:{PASSWORD}@127.0.0.1:1/v1"}
    async with serve(*upstreams(), **address) as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig())
        await line.say(text_input="hello")
        await line.until(pb.END_OF_TURN)
    assert "127.0.0.1:1/v1 cannot be reached" in caplog.text
    assert PASSWORD not in caplog.text
    assert not any("127.0.0.1" in str(message) for message in line.received)


@pytest.mark.parametrize("stage", ["asr", "llm", "tts", "memory", "gateway"])
@pytest.mark.parametrize("kind", [Unavailable, TimedOut, Rejected, Misconfigured, Empty])
def test_every_fault_has_a_plain_sentence(stage: Any, kind: Callable[..., ServiceError]):
    sentence = kind(stage, f"{MARK} said no").sentence
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    assert MARK not in sentence


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://host/v1 is down", "http://host/v1 is down"),
        ("http://alice:pa@ss@host:1/v1 is down", "http://host:1/v1 is down"),
        ("redis://:word@host/0, http://b@c/", "redis://host/0, http://c/"),
        ("ask admin@example.org", "ask admin@example.org"),
    ],
)
def test_credentials_leave_an_address(text: str, shown: str):
    assert without_credentials(text) == shown
    assert Unavailable("llm", text).text == str(Unavailable("llm", text)) == shown


def logged(*secrets: str, text: str, error: Exception | None = None) -> str:
    exc_info = (type(error), error, None) if error else None
    record = logging.LogRecord("a", logging.INFO, "", 0, "said: %s", (text,), exc_info)
    return LogLines(secrets).format(record).partition("said: ")[2]


def test_log_lines_have_no_keys():
    assert logged(KEY, text=f"bad key {KEY}!") == "bad key (secret)!"
    assert logged(text="Incorrect key: sk-ab**********yz.") == "Incorrect key: (secret)"
    assert logged(text="Bearer abc.def, again") == "Bearer (secret), again"
    assert logged("plain-word", "no", text="no plain-word") == "no (secret)"
    offered = "['openai-insecure-api-key.abc.def', 'voice-gateway-resume.g_-h'] offered"
    hidden = "['openai-insecure-api-key.(secret)', 'voice-gateway-resume.(secret)'] offered"
    assert logged(text=offered) == hidden
    assert KEY not in logged(KEY, text="it broke", error=ValueError(f"got {KEY}"))


def test_the_settings_name_their_secrets(monkeypatch: pytest.MonkeyPatch):
    chosen: Any = Settings
    all_of = chosen(
        _env_file=None,
        api_keys="first-key, second-key",
        llm_base_url=f"http://alice:{PASSWORD}@host/v1",
        call_state_url="redis://:redis-word@host/0",
    ).secrets()
    assert {"first-key", "second-key", PASSWORD, "redis-word"} <= set(all_of)
    monkeypatch.setenv("LLM_BASE_URL", f"ftp://alice:{PASSWORD}@host/v1")
    with pytest.raises(BadSetting) as told:
        read_settings()
    assert PASSWORD not in str(told.value)

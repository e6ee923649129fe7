"""What callers may replace is the operator's choice: by CALLER_MAY, or by a key's own entry."""

import hashlib
import json
from pathlib import Path
from typing import Any

import grpc
import pytest
from voice_gateway.access.keys import rights_of
from voice_gateway.errors import NotPermitted
from voice_gateway.messages import CallConfig
from voice_gateway.principals import ANYONE, Principal
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva
from voice_gateway.testing.program import connect, typed
from voice_gateway.transports.realtime.fields import BadEvent
from voice_gateway.transports.realtime.inbound import followed
from voice_gateway.transports.realtime.session_options import SessionOptions
from voice_gateway.transports.realtime.state import State
from voice_gateway.transports.wire import Defaults, to_config
from voice_proto import voice_workflow_pb2 as pb

from .conftest import Serve

USUAL = Defaults("en-US", 16_000, "Own.Voice", "Be brief.")
NOBODY = Principal("kiosk", rights_of([]))

FIELDS = {
    "system_prompt": ("system_prompt", "Be rude."),
    "voice": ("voice_name", "Other.Voice"),
    "language": ("language_code", "de-DE"),
}


@pytest.mark.parametrize("right", FIELDS)
def test_a_config_that_replaces_what_it_may_not_is_refused_by_its_field(right: str):
    field, value = FIELDS[right]
    given: Any = {field: value}
    asked = pb.VoiceConfig(**given)
    with pytest.raises(NotPermitted, match=rf"config\.{field} may not be chosen"):
        to_config(asked, USUAL, NOBODY)
    assert to_config(asked, USUAL, Principal("kiosk", rights_of([right]))).principal == "kiosk"
    assert to_config(asked, USUAL).principal == ANYONE.name


def test_to_ask_for_what_holds_anyway_is_no_matter():
    """Clients of the first version always name a language."""
    same = pb.VoiceConfig(
        language_code="en-US", voice_name="Own.Voice", system_prompt="Be brief.", session_id="mine"
    )
    assert to_config(same, USUAL, NOBODY).language == "en-US"


def program(*may: str) -> State:
    config = CallConfig("call", "en-US", 24_000, "Own.Voice", "Be brief.")
    return State(SessionOptions("call", "m", config, rights_of(may)))


def update(**session: Any) -> dict[str, Any]:
    return {"type": "session.update", "session": session}


TOOL = {"type": "function", "name": "f"}
GERMAN = {"input": {"transcription": {"language": "de"}}}
SYSTEM = typed("Be rude.", "system")
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("system_prompt", update(instructions="Be rude."), "session.instructions"),
    ("system_prompt", update(instructions=""), "session.instructions"),
    ("system_prompt", {"type": "conversation.item.create", "item": SYSTEM}, "item.role"),
    ("voice", update(audio={"output": {"voice": "Other"}}), "session.audio.output.voice"),
    ("language", update(audio=GERMAN), "session.audio.input.transcription.language"),
    ("model_options", update(temperature=1.5), "session.temperature"),
    ("model_options", update(max_output_tokens=9), "session.max_output_tokens"),
    ("tools", update(tools=[TOOL]), "session.tools"),
    ("tools", update(tool_choice="required"), "session.tool_choice"),
    *(
        (right, {"type": "response.create", "response": {**asked, "conversation": where}}, param)
        for where in ("auto", "none")
        for right, asked, param in (
            ("system_prompt", {"instructions": "Be rude."}, "response.instructions"),
            ("system_prompt", {"input": [SYSTEM]}, "response.input"),
            ("voice", {"audio": {"output": {"voice": "Other"}}}, "response.audio.output.voice"),
            ("model_options", {"temperature": 1.5}, "response.temperature"),
            ("tools", {"tools": [TOOL]}, "response.tools"),
        )
    ),
]


@pytest.mark.parametrize(("right", "event", "param"), REFUSED)
def test_so_is_an_event_and_it_changes_nothing(right: str, event: dict[str, Any], param: str):
    state = program()
    before = state.options.shown()
    with pytest.raises(BadEvent) as refused:
        followed(state, event)
    assert (refused.value.code, refused.value.param) == ("not_permitted", param)
    assert state.options.shown() == before
    assert state.items.history() == ()
    assert state.asked is None
    assert not state.out_of_band
    followed(program(right), event)  # and who may, does


@pytest.mark.parametrize(
    "event",
    [
        update(instructions="Be brief."),
        update(audio={"output": {"voice": "alloy"}}),
        update(audio={"input": {"transcription": {"language": "en"}}}),
        update(tools=[], tool_choice="auto", max_output_tokens="inf"),
        update(audio={"input": {"turn_detection": None}}),
        {"type": "conversation.item.create", "item": typed("hello")},
        {"type": "response.create"},
    ],
)
def test_what_a_program_sends_unasked_and_what_is_its_own_is_taken(event: dict[str, Any]):
    followed(program(), event)


async def test_both_fronts_keep_a_caller_to_its_rights_and_go_on(serve: Serve, tmp_path: Path):
    """A key's own rights come before CALLER_MAY, whichever way they differ."""
    entries = [
        {"name": name, "sha256": hashlib.sha256(name.encode()).hexdigest(), **rights}
        for name, rights in {"usual": {}, "trusted": {"may": ["system_prompt"]}}.items()
    ]
    (tmp_path / "keys.json").write_text(json.dumps({"keys": entries}))
    given = {"api_keys_file": tmp_path / "keys.json", "caller_may": "none"}
    rude = pb.VoiceConfig(system_prompt="Be rude.")
    async with serve(FakeRiva(), FakeChat(["Hello."] * 4), **given) as gateway:
        async with gateway.dial("usual") as line:
            await line.say(config=rude)
            code, said = await line.refusal()
        assert code is grpc.StatusCode.PERMISSION_DENIED
        assert said == "config.system_prompt may not be chosen by this caller; leave it empty"
        async with gateway.dial("trusted") as line:
            await line.say(config=rude)
            await line.say(text_input="hello")
            await line.until(pb.END_OF_TURN)
        assert gateway.chat.requests[-1].messages[0]["content"] == "Be rude."
        bearer = {"Authorization": "Bearer usual"}
        async with connect(gateway.http_port, headers=bearer) as client:
            await client.say("session.update", **{"session": {"instructions": "Be rude."}})
            assert (await client.error())["param"] == "session.instructions"
            await client.type("hello")
            await client.until("response.done")
        assert gateway.chat.requests[-1].messages[0]["content"] != "Be rude."

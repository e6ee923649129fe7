"""What a client may get wrong at the Realtime API: a clear error each, and the session goes on."""

import asyncio
import json
import logging
from base64 import b64encode
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import AsyncOpenAI
from voice_gateway.call.languages import CallLanguage, Languages, Offer
from voice_gateway.language import language_of
from voice_gateway.messages import CallConfig, Speaks
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva
from voice_gateway.testing.program import connect, typed
from voice_gateway.transports.realtime.fields import BadEvent
from voice_gateway.transports.realtime.inbound import followed
from voice_gateway.transports.realtime.outbound import told
from voice_gateway.transports.realtime.session_options import SessionOptions
from voice_gateway.transports.realtime.state import State
from websockets.exceptions import ConnectionClosedError

from .authorities import Authorities

SOUND = b64encode(bytes(4800)).decode()


def session(**changes: Any) -> dict[str, Any]:
    return {"type": "session.update", "session": {"type": "realtime", **changes}}


def create(item: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "conversation.item.create", "item": item, **more}


def respond(**options: Any) -> dict[str, Any]:
    return {"type": "response.create", "response": options}


def detection(**values: Any) -> dict[str, Any]:
    return session(audio={"input": {"turn_detection": values}})


def sound(form: Any) -> dict[str, Any]:
    return session(audio={"input": {"format": form}})


CASES: list[tuple[dict[str, Any], str, str | None]] = [
    ({}, "missing_required_parameter", "type"),
    ({"type": 7}, "invalid_type", "type"),
    ({"type": "response.crate"}, "invalid_value", "type"),
    ({"type": "session.update"}, "missing_required_parameter", "session"),
    ({"type": "session.update", "session": []}, "invalid_type", "session"),
    (session(type="translation"), "invalid_value", "session.type"),
    (session(voice="alloy"), "unknown_parameter", "session.voice"),
    (session(modalities=["text"]), "unknown_parameter", "session.modalities"),
    (session(instructions=7), "invalid_type", "session.instructions"),
    (session(instructions="x" * 70_000), "string_above_max_length", "session.instructions"),
    (session(temperature=9), "invalid_value", "session.temperature"),
    (session(max_output_tokens=0), "invalid_value", "session.max_output_tokens"),
    (session(output_modalities=["video"]), "invalid_value", "session.output_modalities"),
    (session(tools=[{"type": "mcp"}]), "unsupported_value", "session.tools[0].type"),
    (session(tools=[{"type": "function"}]), "missing_required_parameter", "session.tools[0].name"),
    (session(tools={}), "invalid_type", "session.tools"),
    (session(tool_choice="maybe"), "invalid_value", "session.tool_choice"),
    (sound({"type": "audio/opus"}), "invalid_value", "session.audio.input.format.type"),
    (
        sound({"type": "audio/pcm", "rate": 16_000}),
        "invalid_value",
        "session.audio.input.format.rate",
    ),
    (session(audio={"inputs": {}}), "unknown_parameter", "session.audio.inputs"),
    (session(audio={"output": {"speed": 9}}), "invalid_value", "session.audio.output.speed"),
    (session(max_output_tokens=1.5), "invalid_value", "session.max_output_tokens"),
    (
        session(tool_choice={"type": "function", "name": "nothing"}),
        "invalid_value",
        "session.tool_choice.name",
    ),
    (detection(type="magic"), "invalid_value", "session.audio.input.turn_detection.type"),
    (
        detection(type="server_vad", idle_timeout_ms=100),
        "invalid_value",
        "session.audio.input.turn_detection.idle_timeout_ms",
    ),
    (
        detection(type="server_vad", silence_duration_ms="long"),
        "invalid_type",
        "session.audio.input.turn_detection.silence_duration_ms",
    ),
    (
        detection(type="server_vad", threshold="high"),
        "invalid_type",
        "session.audio.input.turn_detection.threshold",
    ),
    (
        detection(type="server_vad", prefix_padding_ms=-1),
        "invalid_value",
        "session.audio.input.turn_detection.prefix_padding_ms",
    ),
    (
        session(audio={"input": {"noise_reduction": {"type": "loud_field"}}}),
        "invalid_value",
        "session.audio.input.noise_reduction.type",
    ),
    (
        detection(type="semantic_vad", eagerness="huge"),
        "invalid_value",
        "session.audio.input.turn_detection.eagerness",
    ),
    ({"type": "input_audio_buffer.append"}, "missing_required_parameter", "audio"),
    ({"type": "input_audio_buffer.append", "audio": "not base64!"}, "invalid_value", "audio"),
    ({"type": "input_audio_buffer.commit"}, "input_audio_buffer_commit_empty", None),
    ({"type": "output_audio_buffer.clear"}, "output_audio_buffer_clear_not_active", None),
    (create({"type": "song"}), "invalid_value", "item.type"),
    (create({"type": "message", "role": "user"}), "invalid_type", "item.content"),
    (
        create({"type": "message", "role": "user", "content": [{"type": "input_image"}]}),
        "unsupported_value",
        "item.content[0].type",
    ),
    (
        create({"type": "message", "role": "user", "content": [{"type": "input_audio"}]}),
        "missing_required_parameter",
        "item.content[0].audio",
    ),
    (
        create({"type": "function_call_output", "output": "x"}),
        "missing_required_parameter",
        "item.call_id",
    ),
    (
        create({"type": "function_call_output", "call_id": "call_0", "output": "x"}),
        "invalid_value",
        "item.call_id",
    ),
    (
        create(typed("hi"), previous_item_id="nobody"),
        "item_create_invalid_item_id",
        "item_id",
    ),
    (
        {"type": "conversation.item.delete", "item_id": "nobody"},
        "item_delete_invalid_item_id",
        "item_id",
    ),
    ({"type": "conversation.item.truncate"}, "missing_required_parameter", "item_id"),
    (respond(conversation="other"), "invalid_value", "response.conversation"),
    (respond(input={}), "invalid_type", "response.input"),
    (respond(input=[7]), "invalid_type", "response.input[0]"),
    (respond(input=[{"type": "song"}]), "invalid_value", "response.input[0].type"),
    (
        respond(input=[typed("hi"), {"type": "item_reference", "id": "nobody"}]),
        "invalid_value",
        "response.input[1].id",
    ),
    (
        respond(conversation="none", input=[{"type": "message", "role": "user", "content": [7]}]),
        "invalid_type",
        "response.input[0].content[0]",
    ),
    (respond(input=[typed("x")] * 300), "invalid_value", "response.input"),
    (respond(audio={"input": {}}), "unknown_parameter", "response.audio.input"),
    (
        respond(audio={"output": {"format": {"type": "audio/opus"}}}),
        "invalid_value",
        "response.audio.output.format.type",
    ),
    (
        {"type": "response.cancel", "response_id": "resp_of_nobody"},
        "response_cancel_not_active",
        None,
    ),
    (
        {"type": "response.create", "response": {"metadata": {"n": 7}}},
        "invalid_type",
        "response.metadata.n",
    ),
    ({"type": "response.cancel"}, "response_cancel_not_active", None),
]


async def test_every_mistake_is_named_and_the_session_goes_on(serve: Any):
    async with (
        serve(FakeRiva(), FakeChat(["Hello."])) as gateway,
        connect(gateway.http_port) as program,
    ):
        before = (await program.until("session.created"))["session"]
        for number, (event, code, param) in enumerate(CASES):
            await program.socket.send_json({"event_id": f"e{number}", **event})
            error = await program.error()
            assert (error["code"], error["param"], error["event_id"]) == (
                code,
                param,
                f"e{number}",
            ), (event, error)
            assert error["type"] == "invalid_request_error"
        assert await program.update() == before
        await program.type("hello")
        assert (await program.until("response.done"))["response"]["status"] == "completed"


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("{", "invalid_json"),
        ("[" * 5_000, "invalid_json"),
        ("[" * 100_000, "event_too_large"),
        ("7" * 300_000, "event_too_large"),
        ("[]", "invalid_event"),
        ("7", "invalid_event"),
        ('{"type": "session.update", "session": {"instructions": "\\ud800"}}', "invalid_json"),
        ('{"type": "session.update", "session": {"prompt": {"a": NaN}}}', "invalid_json"),
        ('{"type": "session.update", "session": {"prompt": {"a": -Infinity}}}', "invalid_json"),
        ('{"type": "session.update", "session": {"prompt": {"a": 1e999}}}', "invalid_json"),
        (b"\x00\x01", "invalid_frame"),
    ],
)
async def test_a_frame_that_is_no_event_is_told_off(serve: Any, frame: str | bytes, code: str):
    async with (
        serve(FakeRiva(), FakeChat(["Hello."])) as gateway,
        connect(gateway.http_port) as program,
    ):
        if isinstance(frame, bytes):
            await program.socket.send_bytes(frame)
        else:
            await program.socket.send_str(frame)
        assert (await program.error())["code"] == code
        await program.type("hello")
        await program.until("response.done")


async def test_whole_surrogate_pairs_are_text(serve: Any):
    chat = FakeChat(["Hello."])
    async with serve(FakeRiva(), chat) as gateway, connect(gateway.http_port) as program:
        await program.socket.send_str(json.dumps(create(typed("hello 👋"))))
        await program.say("response.create")
        await program.until("response.done")
    assert chat.requests[0].messages[-1]["content"] == "hello 👋"


async def test_a_frame_that_is_too_large_ends_its_call_alone(
    serve: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("voice_gateway.transports.realtime.front._LARGEST_FRAME_BYTES", 10_000)
    async with (
        serve(FakeRiva(), FakeChat(["Hello."])) as gateway,
        connect(gateway.http_port) as large,
        connect(gateway.http_port) as other,
    ):
        await large.socket.send_str("x" * 70_000)
        assert await large.rest() == 1009
        await other.type("hello")
        await other.until("response.done")


async def test_half_samples_are_joined(serve: Any):
    scripted = FakeRiva()
    async with serve(scripted, FakeChat()) as gateway, connect(gateway.http_port) as program:
        for _ in range(2):
            odd = b64encode(bytes(24_001)).decode()
            await program.say("input_audio_buffer.append", audio=odd)
        await program.update()
        call = await scripted.asr_call(0)
        await call.until(lambda call: call.audio_s > 0.9)


def spoken(language: str) -> dict[str, Any]:
    return session(audio={"input": {"transcription": {"language": language}}})


async def test_the_language_may_change_within_the_session(serve: Any):
    tags = ["en-US", "de-DE", "fr-FR"]
    riva = FakeRiva(languages=tags)
    async with serve(riva, FakeChat()) as gateway, connect(gateway.http_port) as program:
        await gateway.knows_its_services()
        for ordinal, (asked, tag) in enumerate([("de", "de-DE"), ("fr", "fr-FR"), ("en", "en-US")]):
            await program.socket.send_json(spoken(asked))
            session = (await program.until("session.updated"))["session"]
            assert session["audio"]["input"]["transcription"]["language"] == asked
            own = language_of(tag).system_prompt
            assert session["instructions"] == own, "they were the gateway's own"
            await program.speak(0.2)
            call = await riva.asr_call(ordinal)
            assert call.config.config.language_code == tag


async def test_a_language_or_voice_that_is_not_there_is_refused_with_what_there_is(serve: Any):
    riva = FakeRiva(languages=["en-US", "de-DE"], voices=["Ann", "Bob"])
    async with serve(riva, FakeChat()) as gateway, connect(gateway.http_port) as program:
        await gateway.knows_its_services()
        voice = {"output": {"voice": "nobody"}}
        for asked, param, allowed in (
            (spoken("xx"), "session.audio.input.transcription.language", "en-US, de-DE"),
            (session(audio=voice), "session.audio.output.voice", "Scripted.Ann, Scripted.Bob"),
            (respond(audio=voice), "response.audio.output.voice", "Scripted.Ann, Scripted.Bob"),
        ):
            await program.socket.send_json(asked)
            error = await program.error()
            assert (error["code"], error["param"]) == ("invalid_value", param)
            assert allowed in error["message"]
        german = {"input": {"transcription": {"language": "de"}}}
        await program.update(audio={**german, "output": {"voice": "Scripted.Bob"}})
        await program.type("hello")
        await program.until("response.done")
        assert (riva.voice_calls[-1].language, riva.voice_calls[-1].voice) == (
            "de-DE",
            "Scripted.Bob",
        )


def test_words_alone_need_no_voice():
    offer = Offer(lambda: ("en-US", "fr-FR"), lambda: {"en-US": ("Ann",)})
    languages = Languages({"en-US": CallLanguage("en-US")}, CallLanguage, offer)
    config = CallConfig("call", "en-US", 24_000, "", "")
    state = State(SessionOptions("call", "m", config, languages=languages))
    french = {"input": {"transcription": {"language": "fr"}}}
    followed(state, session(audio=french, output_modalities=["text"]))
    assert state.options.config.language == "fr-FR"
    with pytest.raises(BadEvent, match="allowed: en-US"):
        followed(state, session(output_modalities=["audio"]))
    words = State(SessionOptions("call", "m", config, None, "transcription", languages))
    followed(
        words, {"type": "session.update", "session": {"type": "transcription", "audio": french}}
    )
    assert words.options.config.language == "fr-FR"


def test_a_language_that_the_call_changed_by_itself_is_the_sessions():
    table = {tag: CallLanguage(tag, voice=tag[:2], system_prompt=tag) for tag in ("en-US", "hi-IN")}
    config = CallConfig("call", "en-US", 24_000, "en", "en-US")
    languages = Languages(table, CallLanguage, closed=True)
    state = State(SessionOptions("call", "m", config, languages=languages))
    (updated,) = told(state, Speaks("hi-IN", "hi", "hi-IN"))
    assert updated["type"] == "session.updated"
    assert updated["session"]["audio"]["input"]["transcription"]["language"] == "hi-IN"
    assert updated["session"]["audio"]["output"]["voice"] == "hi"
    assert updated["session"]["instructions"] == "hi-IN"
    followed(state, session(temperature=0.5))
    now = state.options.config
    assert (now.language, now.voice, now.system_prompt) == ("hi-IN", "hi", "hi-IN")


@pytest.mark.parametrize(
    ("what", "audio", "param"),
    [
        (
            "a language",
            {"input": {"transcription": {"language": "fr"}}},
            "session.audio.input.transcription.language",
        ),
        ("a voice", {"output": {"voice": "Cid"}}, "session.audio.output.voice"),
    ],
)
async def test_what_no_service_has_is_refused_and_changes_nothing(
    serve: Any, what: str, audio: dict[str, Any], param: str
):
    scripted = FakeRiva(languages=["en-US", "de-DE"], voices=["Ann", "Bob"])
    async with serve(scripted, FakeChat()) as gateway, connect(gateway.http_port) as program:
        await gateway.knows_its_services()
        await program.socket.send_json(session(audio=audio, instructions="Be rude."))
        error = await program.error()
        assert (error["code"], error["param"]) == ("invalid_value", param), what
        assert "de-DE" in error["message"] or "Scripted.Bob" in error["message"]
        good = {
            "input": {"transcription": {"language": "de"}},
            "output": {"voice": "Scripted.Ann"},
        }
        updated = await program.update(audio=good)
        assert updated["instructions"] != "Be rude."
        await program.say("response.create", response={"audio": {"output": {"voice": "Cid"}}})
        assert (await program.error())["param"] == "response.audio.output.voice"


async def test_a_truncation_beyond_what_was_sent_cuts_nothing(serve: Any):
    """A telephone's clock is always ahead of audio that comes at the pace of its playback."""
    chat = FakeChat(["Hello."] * 2)
    async with serve(FakeRiva(), chat) as gateway, connect(gateway.http_port) as program:
        await program.type("hello")
        await program.until("response.done")
        item = program.of("response.output_item.done")[0]["item"]["id"]
        cut = {"item_id": item, "content_index": 0, "audio_end_ms": 60_000}
        await program.say("conversation.item.truncate", **cut)
        assert (await program.until("conversation.item.truncated"))["audio_end_ms"] == 60_000
        await program.type("hello again")
        await program.until("response.done")
    assert program.of("error") == []
    assert [m["content"] for m in chat.requests[1].messages[1:]] == [
        "hello", "Hello.", "hello again"
    ]  # fmt: skip


async def test_what_has_no_effect_here_costs_nothing_else_of_an_update(serve: Any):
    tool = {"type": "function", "name": "get_weather"}
    async with (
        serve(FakeRiva(voices=["Ann"]), FakeChat()) as gateway,
        connect(gateway.http_port) as program,
    ):
        updated = await program.update(
            audio={"output": {"speed": 1.1, "voice": "Scripted.Ann"}},
            instructions="Be brief. " * 6_000,
            tools=[{"type": "mcp", "server_label": "docs"}, tool],
        )
        refused = await program.error()
    assert (refused["code"], refused["param"]) == ("unsupported_value", "session.tools[0].type")
    assert updated["audio"]["output"]["voice"] == "Scripted.Ann"
    assert updated["tools"] == [tool]
    assert len(updated["instructions"]) == 60_000


async def test_of_a_message_with_an_image_the_text_is_kept(
    serve: Any, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    picture = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
    item = typed("what is this")
    item["content"].append(picture)
    chat = FakeChat(["A question."])
    async with serve(FakeRiva(), chat) as gateway, connect(gateway.http_port) as program:
        await program.say("conversation.item.create", item=item)
        await program.say("response.create")
        await program.until("response.done")
    assert program.of("error") == []
    assert program.of("conversation.item.done")[0]["item"]["content"] == item["content"][:1]
    assert "1 images of an item are left out" in caplog.text
    assert [m["content"] for m in chat.requests[0].messages[1:]] == ["what is this"]


async def test_a_key_is_asked_for_and_taken_from_header_or_subprotocol(serve: Any):
    keys = {"api_keys": "first, second"}
    async with serve(FakeRiva(), FakeChat(["Hello."]), **keys) as gateway:
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            async with connect(gateway.http_port, headers=headers) as program:
                error = await program.error()
                assert (error["type"], error["code"], error["param"]) == (
                    "invalid_request_error",
                    "invalid_api_key",
                    None,
                )
                assert await program.rest() == 3000
        bearer = {"Authorization": "Bearer second"}
        async with connect(gateway.http_port, headers=bearer) as program:
            await program.until("session.created")
        offered = ("realtime", "openai-insecure-api-key.first")
        async with connect(gateway.http_port, protocols=offered) as program:
            assert program.socket.protocol == "realtime"
            await program.until("session.created")


async def test_the_sdks_beta_client_is_told_so_and_closed(serve: Any, tmp_path: Path):
    """It would wait for ever for events that have other names now."""
    ours = Authorities(tmp_path)
    files = ours.write()
    del files["tls_client_ca"]  # the client asks for TLS, and shows no certificate
    trusts = {"ssl": ours.client("beta").context}
    async with serve(FakeRiva(), FakeChat(), allow_anyone=True, **files) as gateway:
        url = f"https://localhost:{gateway.http_port}/v1"
        async with (
            AsyncOpenAI(api_key="k", base_url=url) as client,
            client.beta.realtime.connect(
                model="m", websocket_connection_options=cast(Any, trusts)
            ) as connection,
        ):
            said = json.loads(await connection.recv_bytes())
            with pytest.raises(ConnectionClosedError) as closed:
                await connection.recv_bytes()
    assert (said["type"], said["error"]["code"]) == ("error", "beta_api_shape_disabled")
    assert closed.value.rcvd
    assert closed.value.rcvd.code == 4000


async def test_so_is_a_page_that_asks_for_the_beta_and_nobody_else(serve: Any):
    async with serve(FakeRiva(), FakeChat()) as gateway:
        offered = ("realtime", "openai-insecure-api-key.k", "openai-beta.realtime-v1")
        async with connect(gateway.http_port, protocols=offered) as page:
            assert (await page.error())["code"] == "beta_api_shape_disabled"
            assert await page.rest() == 4000
        async with connect(gateway.http_port) as program:  # and anybody else is served
            await program.until("session.created")


@pytest.mark.parametrize(
    ("origin", "allowed", "admitted"),
    [
        ("http://evil.example", "", False),
        ("http://good.example", "https://other.example http://good.example", True),
        ("http://any.example", "*", True),
        (None, "", True),
        ("own", "", True),
    ],
)
async def test_pages_of_other_sites_may_call_only_where_they_are_named(
    serve: Any, origin: str | None, allowed: str, admitted: bool
):
    async with serve(FakeRiva(), FakeChat(), http_origins=allowed) as gateway:
        own = f"http://127.0.0.1:{gateway.http_port}"
        headers = {"Origin": own if origin == "own" else origin} if origin else {}
        if admitted:
            async with connect(gateway.http_port, headers=headers) as program:
                await program.until("session.created")
        else:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                async with connect(gateway.http_port, headers=headers):
                    pass
            assert refused.value.status == 403


async def test_who_speaks_no_websocket_is_told(serve: Any):
    async with (
        serve(FakeRiva(), FakeChat()) as gateway,
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{gateway.http_port}/v1/realtime?model=m") as answer,
    ):
        assert answer.status == 426
        assert (await answer.json())["error"]["code"] == "upgrade_required"


@pytest.mark.parametrize(("key", "status"), [("wrong", 401), ("right", 426)])
async def test_a_page_learns_by_a_plain_request_whether_its_key_is_good(
    serve: Any, key: str, status: int
):
    async with (
        serve(FakeRiva(), FakeChat(), api_keys="right") as gateway,
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as http,
        http.get(f"http://127.0.0.1:{gateway.http_port}/v1/realtime") as answer,
    ):
        assert answer.status == status


async def test_a_client_that_never_reads_is_let_go_and_the_others_hear_nothing_of_it(
    serve: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("voice_gateway.transports.realtime.caller._SEND_TIMEOUT_S", 0.3)
    async with (
        serve(FakeRiva(), FakeChat(["Hello."])) as gateway,
        connect(gateway.http_port) as mute,
        connect(gateway.http_port) as other,
        aiohttp.ClientSession() as http,
    ):
        with suppress(aiohttp.ClientError, ConnectionError):
            async with asyncio.timeout(60):
                while True:
                    await mute.say("session.update", session={"instructions": "x" * 15_000})
        await other.type("hello")
        await other.until("response.done")
        async with http.get(f"http://127.0.0.1:{gateway.http_port}/metrics") as answer:
            assert 'voice_calls_total{front="realtime",outcome="slow"} 1.0' in await answer.text()


KINDS = sorted({event["type"] for event, _, _ in CASES if isinstance(event.get("type"), str)})
NAMES = [
    "session", "item", "item_id", "audio", "response", "type", "role", "content", "input", "output",
    "format", "turn_detection", "transcription", "voice", "tools", "name", "parameters", "text",
    "metadata", "call_id", "audio_end_ms", "content_index", "previous_item_id", "instructions",
    "conversation", "none",
    "item_reference", "idle_timeout_ms", "server_vad", "message", "user",
]  # fmt: skip
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from([*KINDS, *NAMES, ""]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=12,
)
events = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS)}, optional={name: junk for name in NAMES if name != "type"}
)


@given(st.lists(events, max_size=6))
def test_whatever_comes_is_followed_or_named(sent: list[dict[str, Any]]):
    config = CallConfig("call", "en-US", 24_000, "", "Be brief.")
    state = State(SessionOptions("call", "m", config))
    for event in sent:
        before = state.options.shown()
        try:
            taken = followed(state, event)
        except BadEvent:
            assert state.options.shown() == before
        else:
            json.dumps(taken.events, allow_nan=True)

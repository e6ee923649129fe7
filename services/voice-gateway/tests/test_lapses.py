"""What opened a call is taken away or expires while the call runs: which calls end, and how."""

import asyncio
import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from voice_gateway.access.jwts import Issuer
from voice_gateway.access.signers import FetchedSigners, SignersFile
from voice_gateway.access.tokens import Tokens
from voice_gateway.call.calls import Calls
from voice_gateway.call.session import CallOptions
from voice_gateway.errors import Unauthenticated
from voice_gateway.messages import CallConfig, Typed
from voice_gateway.observe.metrics import Metrics
from voice_gateway.ports import Services
from voice_gateway.principals import Grant, Principal
from voice_gateway.server import SERVICE
from voice_gateway.testing import virtual_time
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva
from voice_gateway.testing.line import Line
from voice_gateway.testing.program import connect
from voice_gateway.testing.scripted import (
    ScriptedCaller,
    ScriptedModel,
    ScriptedRecogniser,
    ScriptedVoice,
    Sends,
)
from voice_proto import voice_workflow_pb2 as pb

from .conftest import Gateway, Serve
from .credentials import AUDIENCE, ISSUER, SECRET, jwks, signed
from .credentials import token as minted
from .key_files import KeyFile

GONE = "The key of this call was taken away; call again with another."
REFUSED = (grpc.StatusCode.UNAUTHENTICATED, GONE)
CONFIG = CallConfig("test", "en-US", 16_000, "", "Be brief.")


def entry(name: str, key: str, more: str = "") -> str:
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f'[[keys]]\nname = "{name}"\nsha256 = "{digest}"\n{more}\n'


# --- the operator changes the file of keys ---

KIOSK, DESK = entry("kiosk", "kiosk-key"), entry("desk", "desk-key")
NEWER = entry("kiosk", "newer-key")


class House(KeyFile):
    async def calls(self, bearer: str = "kiosk-key") -> Grant:
        return await self.callers.admit(bearer)


@pytest.mark.parametrize(
    "text",
    [
        KIOSK + DESK + entry("lift", "lift-key"),
        DESK + KIOSK,
        entry("kiosk", "kiosk-key", 'may = ["voice"]\nlimits = { calls = 1 }') + DESK,
        NEWER + KIOSK,
        KIOSK,
        "",
        "[[keys]\nname =",
        'keys = "none"',
        None,
    ],
    ids=[
        "one is added", "another order", "other limits", "a second key of the principal",
        "another's is taken out", "empty", "half a line", "nonsense", "no file",
    ],
)  # fmt: skip
async def test_what_takes_no_key_away_ends_no_call(tmp_path: Path, text: str | None):
    house = House(tmp_path, KIOSK + DESK)
    call = await house.calls()
    await house.write(text)
    for _ in range(3):
        assert call.lapsed() == ""
        await house.file.look()


@pytest.mark.parametrize(
    "text",
    [DESK, NEWER + DESK, entry("lobby", "kiosk-key"), "keys = []"],
    ids=["taken out", "replaced", "another's now", "no keys at all"],
)
async def test_a_key_that_is_taken_out_ends_its_calls_once_the_file_has_settled(
    tmp_path: Path, text: str
):
    house = House(tmp_path, KIOSK + DESK)
    call = await house.calls()
    await house.write(text)
    assert call.lapsed() == ""
    await house.file.look()
    assert call.lapsed() == GONE


async def test_a_file_that_is_read_half_way_ends_no_call(tmp_path: Path):
    """Half a file may be a whole one with fewer keys; who calls meanwhile is refused."""
    house = House(tmp_path, DESK + KIOSK)
    call = await house.calls()
    await house.write(DESK)
    with pytest.raises(Unauthenticated):
        await house.calls()
    assert call.lapsed() == ""
    await house.write(DESK + KIOSK)
    for _ in range(3):
        assert call.lapsed() == ""
        await house.file.look()


async def test_a_call_by_a_key_that_has_just_come_goes_on(tmp_path: Path):
    house = House(tmp_path, DESK)
    await house.write(DESK + KIOSK)
    call = await house.calls()
    assert call.lapsed() == ""


# --- tokens and JWTs ---


async def test_a_call_outlives_its_token_but_not_the_key_behind_it(tmp_path: Path):
    house = House(tmp_path, KIOSK + DESK)
    token = await house.callers.mint("kiosk-key", 60)
    call = await house.calls(token.value)
    house.now += 3_600
    with pytest.raises(Unauthenticated, match="The token has expired"):
        await house.calls(token.value)
    assert call.lapsed() == ""
    await house.settles(NEWER + KIOSK)
    assert call.lapsed() == ""
    await house.settles(NEWER + DESK)
    assert call.lapsed() == GONE


async def test_a_token_of_a_key_that_is_replaced_is_refused(tmp_path: Path):
    """Whoever stole the key may have asked for tokens with it."""
    house = House(tmp_path, KIOSK + NEWER)
    stolen, good = [await house.callers.mint(key, 60) for key in ("kiosk-key", "newer-key")]
    await house.settles(NEWER)
    with pytest.raises(Unauthenticated, match="The token is not accepted"):
        await house.calls(stolen.value)
    assert (await house.calls(good.value)).lapsed() == ""


async def test_a_token_tells_its_holder_nothing_of_the_key(tmp_path: Path):
    house = House(tmp_path, KIOSK)
    said = (await house.callers.mint("kiosk-key", 60)).value.removeprefix("ek_").partition(".")[0]
    claims = json.loads(urlsafe_b64decode(said + "=" * (-len(said) % 4)))
    digest = hashlib.sha256(b"kiosk-key").digest()
    known = (digest.hex(), urlsafe_b64encode(digest).decode())
    assert not any(text[:8] in claims[3] for text in known)


async def test_a_token_of_a_gateway_before_this_one_is_its_principals(tmp_path: Path):
    house = House(tmp_path, KIOSK + NEWER)
    call = await house.calls(Tokens(b"secret", lambda: house.now).mint("kiosk", 60).value)
    await house.settles(NEWER)
    assert call.lapsed() == ""
    await house.settles(DESK)
    assert call.lapsed() == GONE


def issuer(folder: Path, document: str = "") -> tuple[Issuer, SignersFile]:
    (folder / "jwks.json").write_text(document or jwks())
    found = SignersFile(folder / "jwks.json")
    return Issuer(found, ISSUER, AUDIENCE), found


async def test_a_call_by_a_jwt_ends_with_it(tmp_path: Path):
    house = House(tmp_path, DESK, issuer(tmp_path)[0])
    call = await house.calls(signed(exp=house.now + 60))
    house.now += 69
    assert call.lapsed() == ""  # as long as the JWT would be taken, with its leeway
    house.now += 2
    assert call.lapsed() == "The token of this call has expired; call again with a new one."


async def test_a_call_by_a_jwts_token_ends_with_the_jwt(tmp_path: Path):
    house = House(tmp_path, DESK, issuer(tmp_path)[0])
    token = await house.callers.mint(signed(exp=house.now + 600), 60)
    call = await house.calls(token.value)
    house.now += 300
    assert call.lapsed() == ""
    house.now += 311
    assert call.lapsed() != ""


async def test_a_jwts_token_of_a_gateway_before_this_one_ends_its_call_itself(tmp_path: Path):
    """Such a token does not tell until when its JWT lasted."""
    house = House(tmp_path, DESK, issuer(tmp_path)[0])
    call = await house.calls(Tokens(b"secret", lambda: house.now).mint("jwt:ann", 60).value)
    house.now += 71
    assert call.lapsed() != ""


DISOWNED = "The token of this call is not accepted any more; call again with a new one."


async def test_who_signed_a_jwt_is_taken_out_of_the_set(tmp_path: Path):
    by, found = issuer(tmp_path)
    house = House(tmp_path, DESK, by)
    call = await house.calls(signed())
    token = await house.callers.mint(signed(), 60)
    by_token = await house.calls(token.value)
    whole = json.loads(jwks())
    watched: Any = found._file  # pyright: ignore[reportPrivateUsage]
    for document, said in (
        ({"keys": [*reversed(whole["keys"]), {**whole["keys"][1], "kid": "e2"}]}, ""),
        ({"keys": "half"}, ""),
        ({"keys": whole["keys"][1:]}, DISOWNED),
    ):
        (tmp_path / "jwks.json").write_text(json.dumps(document))
        await watched.look()
        assert call.lapsed() == by_token.lapsed() == ""
        await watched.look()
        assert call.lapsed() == by_token.lapsed() == said
    with pytest.raises(Unauthenticated):
        await house.calls(token.value)


async def test_a_jwt_without_a_kid_lives_on_as_a_second_signer_comes(tmp_path: Path):
    whole = json.loads(jwks())
    by, found = issuer(tmp_path, json.dumps({"keys": whole["keys"][:1]}))
    house = House(tmp_path, DESK, by)
    call = await house.calls(signed(kid=""))
    (tmp_path / "jwks.json").write_text(jwks())
    watched: Any = found._file  # pyright: ignore[reportPrivateUsage]
    for _ in range(2):
        await watched.look()
        assert call.lapsed() == ""


async def test_a_fetched_set_must_lack_a_signer_twice(monkeypatch: pytest.MonkeyPatch):
    whole = json.loads(jwks())
    fewer = json.dumps({"keys": whole["keys"][1:]})
    documents = iter([jwks(), fewer, jwks(), fewer, fewer])
    found = FetchedSigners("https://id.example.org/jwks")

    async def document() -> bytes:
        return next(documents).encode()

    monkeypatch.setattr(found, "_document", document)
    held: list[tuple[bool, bool]] = []
    fetched: Any = found
    await fetched._fetch()
    signer = await found.find("r1")
    assert signer
    for _ in range(4):
        await fetched._fetch()
        held.append((found.holds(signer.fingerprint), fetched._doubtful))
    await found.close()
    assert held == [(True, True), (True, False), (True, True), (False, False)]


# --- a call of the core, on the virtual clock ---


def house_of_calls() -> tuple[Calls, Metrics]:
    services = Services(ScriptedRecogniser(()), ScriptedModel(["Hello."]), ScriptedVoice())
    metrics = Metrics()
    return Calls(services, CallOptions(), most=4, metrics=metrics), metrics


def test_a_call_whose_key_lapses_ends_within_a_second_and_no_other_does():
    async def run() -> None:
        calls, metrics = house_of_calls()
        why = ""

        async def talks(who: Principal, *, lapses: bool) -> str:
            caller = ScriptedCaller(
                [Sends(at, Typed("hello")) for at in (1.0, 20.0)], hangs_up=30.0
            )
            lapsed = (lambda: why) if lapses else (lambda: "")
            try:
                with calls.admitted("grpc", who, "", lapsed) as call:
                    await call.run(caller, CONFIG)
            except Unauthenticated as error:
                return f"{asyncio.get_running_loop().time():g}: {error}"
            return "over"

        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(calls.end_lapsed())
            ends = tasks.create_task(talks(Principal("kiosk"), lapses=True))
            stays = tasks.create_task(talks(Principal("desk"), lapses=False))
            await asyncio.sleep(9.5)
            assert not ends.done()
            why = GONE
            assert await ends == f"10: {GONE}"
            assert len(calls) == 1
            assert not stays.done()
            stays.cancel()
            watching.cancel()
        text = metrics.exposition("")[0].decode()
        assert 'voice_calls_total{front="grpc",outcome="key_gone"} 1.0' in text

    virtual_time.run(run())


# --- real calls on every front ---


@asynccontextmanager
async def house(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> AsyncGenerator[tuple[Gateway, "Operator"]]:
    """A gateway with two callers' keys, and who changes them."""
    monkeypatch.setattr("voice_gateway.call.calls._LOOK_AT_KEYS_S", 0.01)
    path = folder / "keys.toml"
    path.write_text(KIOSK + DESK)
    chat = FakeChat(["Hello, and welcome."] * 9)
    async with serve(FakeRiva(), chat, api_keys_file=path, token_secret=SECRET) as gateway:
        yield gateway, Operator(path, gateway)


@dataclass
class Operator:
    """Changes the file of keys of a gateway that runs."""

    path: Path
    gateway: Gateway

    async def writes(self, text: str) -> None:
        """Change the file, and have the gateway look until that has settled."""
        self.path.write_text(text)
        server: Any = self.gateway.server
        for _ in range(2):
            await server._access._file.look()


async def begun(line: Line, **config: Any) -> pb.ServerEvent:
    await line.say(config=pb.VoiceConfig(**config))
    return await line.until(pb.LISTENING)


def asked_again(token: str, received: int) -> pb.VoiceConfig:
    return pb.VoiceConfig(resume=True, resume_token=token, received_sequence=received)


async def answered(line: Line) -> None:
    await line.say(text_input="hello")
    await line.until(pb.END_OF_TURN)


@pytest.mark.parametrize("resume", [False, True], ids=["a plain call", "one that can be resumed"])
async def test_over_grpc_the_call_ends_with_the_reason_and_anothers_goes_on(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, resume: bool
):
    async with (
        house(serve, monkeypatch, tmp_path) as (gateway, operator),
        gateway.dial("kiosk-key") as silent,
        gateway.dial("kiosk-key") as speaks,
        gateway.dial("desk-key") as others,
    ):
        for line in (silent, speaks, others):
            await begun(line, resume=resume)
        await speaks.say(text_input="hello")
        await speaks.until(pb.SPEAKING)
        await operator.writes(DESK)
        assert await silent.refusal() == REFUSED
        assert await speaks.refusal() == REFUSED
        await answered(others)


async def test_so_does_one_that_has_not_said_its_config(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    async with (
        house(serve, monkeypatch, tmp_path) as (gateway, operator),
        gateway.dial("kiosk-key") as line,
    ):
        calls = gateway.server._calls  # pyright: ignore[reportPrivateUsage]
        async with asyncio.timeout(60):
            while not len(calls):  # noqa: ASYNC110  there is no event for it
                await asyncio.sleep(0)
        await operator.writes(DESK)
        assert await line.refusal() == REFUSED


async def test_a_resumed_call_lasts_by_what_its_client_showed_last(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """A client that takes its new key along loses nothing as the old one goes."""
    async with house(serve, monkeypatch, tmp_path) as (gateway, operator):
        await operator.writes(KIOSK + NEWER)
        async with (
            gateway.dial("kiosk-key") as older,
            gateway.dial("newer-key") as line,
            gateway.dial("kiosk-key") as left_behind,
        ):
            offered = (await begun(older, resume=True)).resumption
            await begun(left_behind)
            await answered(older)
            await line.say(config=asked_again(offered.token, older.received[-1].sequence))
            await line.until(pb.RESUMED)
            await operator.writes(NEWER)
            assert await left_behind.refusal() == REFUSED
            await answered(line)
            await operator.writes(DESK)
            assert await line.refusal() == REFUSED


async def test_a_call_whose_client_is_away_ends_as_well(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    async with house(serve, monkeypatch, tmp_path) as (gateway, operator):
        async with gateway.dial("kiosk-key") as line:
            offered = (await begun(line, resume=True)).resumption
            await answered(line)
        calls = gateway.server._calls  # pyright: ignore[reportPrivateUsage]
        assert len(calls) == 1
        await operator.writes(NEWER)
        async with asyncio.timeout(60):
            await calls.over()
        async with gateway.dial("kiosk-key") as line:
            status, _ = await line.refusal()
            assert status is grpc.StatusCode.UNAUTHENTICATED
        async with gateway.dial("newer-key") as line:
            await line.say(config=asked_again(offered.token, 0))
            await line.until(pb.RESYNC)


def streams(channel: grpc.aio.Channel, key: str) -> dict[str, Any]:
    """Streams that are no calls: watches of an upstream and of the service, and reflection."""
    shown = [("authorization", f"Bearer {key}")]
    health: Any = health_pb2_grpc.HealthStub(channel)
    reflection: Any = reflection_pb2_grpc
    asked = health_pb2.HealthCheckRequest
    return {
        "upstream": health.Watch(asked(service="llm"), metadata=shown),
        "service": health.Watch(asked(service=SERVICE), metadata=shown),
        "reflection": reflection.ServerReflectionStub(channel).ServerReflectionInfo(metadata=shown),
    }


async def test_so_does_a_watch_or_reflection_but_no_probe(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """What anybody may watch goes on, whatever becomes of the key beside it."""
    monkeypatch.setattr("voice_gateway.transports.grpc_access._LOOK_S", 0.01)
    async with (
        house(serve, monkeypatch, tmp_path) as (gateway, operator),
        gateway.channel() as channel,
        asyncio.timeout(60),
    ):
        mine, others = streams(channel, "kiosk-key"), streams(channel, "desk-key")
        for each in (mine, others):
            for name in ("upstream", "service"):
                await each[name].read()
            await reflects(each["reflection"])
        await operator.writes(DESK)
        for name in ("upstream", "reflection"):
            assert await end(mine[name]) == REFUSED, name
        await reflects(others["reflection"])
        assert not any(each.done() for each in (mine["service"], *others.values()))
        for each in (mine["service"], *others.values()):
            each.cancel()


async def end(call: Any) -> tuple[grpc.StatusCode, str]:
    """Read to the end of a stream, which must be one of failure."""
    try:
        while True:
            assert await call.read() is not grpc.aio.EOF
    except grpc.aio.AioRpcError as error:
        return error.code(), error.details() or ""


async def reflects(call: Any) -> None:
    await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    assert (await call.read()).list_services_response.service


async def test_over_a_websocket_the_error_comes_before_the_close(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    async with house(serve, monkeypatch, tmp_path) as (gateway, operator):
        offered = ("realtime", f"openai-insecure-api-key.{minted('kiosk')}")
        by_key = {"Authorization": "Bearer kiosk-key"}
        async with (
            connect(gateway.http_port, headers=by_key) as program,
            connect(gateway.http_port, protocols=offered) as page,
            connect(gateway.http_port, headers={"Authorization": "Bearer desk-key"}) as others,
        ):
            for each in (program, page, others):
                await each.until("session.created")
            await program.type("hello")
            await program.until("response.created")
            await operator.writes(DESK)
            for each in (program, page):
                error = await each.error()
                assert (error["type"], error["code"]) == (
                    "invalid_request_error",
                    "invalid_api_key",
                )
                assert error["message"] == GONE
                assert await each.rest() == 3000
            await others.type("hello")
            await others.until("response.done")

"""Callers with a client's certificate: whose calls theirs are, on both ports, and until when."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import aiohttp
import grpc
import grpc.aio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from voice_gateway.access import certificates, keys
from voice_gateway.errors import NotPermitted, Unauthenticated
from voice_gateway.principals import Limits, Principal, Rights
from voice_gateway.server import GatewayServer
from voice_gateway.settings import BadSetting, Settings
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva
from voice_gateway.testing.line import Line
from voice_gateway.testing.program import Program
from voice_proto import voice_workflow_pb2 as pb
from voice_proto import voice_workflow_pb2_grpc as pb_grpc

from .authorities import Authorities, Client
from .conftest import Gateway, Serve
from .key_files import KeyFile

ALL = Rights()
KIOSK = '[[certificates]]\nname = "kiosk"\ncommon_name = "kiosk 7"\n'
DESK = '[[certificates]]\nname = "desk"\ndns = "Desk.example.org"\n'
GUARD = '[[certificates]]\nname = "guard"\nemail = "guard@example.org"\n'
# The key is "desk-key".
DESK_KEY = (
    '[[keys]]\nname = "desk"\n'
    'sha256 = "fd501e4e4eabb3b62f313e4d323048dfbddebb4d702c7b63512125b3fa21dd28"\n'
)


# --- what a certificate says ---


def self_signed(*names: x509.GeneralName) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=True)
    )
    return made.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def test_a_certificate_has_its_common_name_and_all_alternative_names(tmp_path: Path):
    client = Authorities(tmp_path).client(
        "desk.example.org", "guard@example.org", "192.0.2.7", common_name="kiosk 7"
    )
    assert certificates.read(client.der).names == {
        ("common_name", "kiosk 7"),
        ("dns", "desk.example.org"),
        ("email", "guard@example.org"),
    }


def test_a_workload_is_named_by_its_uri():
    uri = "spiffe://cluster.example/ns/voice/sa/kiosk"
    made = self_signed(x509.UniformResourceIdentifier(uri), x509.DNSName("Desk.Example.org"))
    assert certificates.read(made).names == {("uri", uri), ("dns", "desk.example.org")}


def test_what_is_no_certificate_is_refused():
    with pytest.raises(Unauthenticated, match="The client certificate cannot be read"):
        certificates.read(b"no certificate")


# --- the file ---


def test_an_entry_names_a_certificate_and_its_principal():
    said = 'may = ["voice"]\nlimits = { calls = 2 }\n'
    found = keys.in_file((KIOSK + said + DESK).encode(), ALL)
    assert found.keys == ()
    assert found.certificates == {
        ("common_name", "kiosk 7"): Principal("kiosk", keys.rights_of(["voice"]), Limits(calls=2)),
        ("dns", "desk.example.org"): Principal("desk"),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[certificates]]\nname = "kiosk"', "certificates.0: Value error, allowed: just one of"),
        (KIOSK + 'dns = "kiosk"', "allowed: just one of common_name, dns, uri, email"),
        (KIOSK + 'sha256 = "00"', "certificates.0.sha256: Extra inputs are not permitted"),
        ('[[certificates]]\nname = "kiosk"\ndns = ""', "certificates.0.dns: String should have"),
        (DESK + DESK.lower(), "the certificate of dns 'desk.example.org' is there twice"),
        (DESK_KEY + DESK + "may = []", "the entries of 'desk' differ in what they may"),
        ('[[certificates]]\nname = "anyone"\nuri = "a:b"', "stands for callers without a key"),
    ],
)
def test_a_file_that_is_wrong_is_named_in_one_line(text: str, said: str):
    with pytest.raises(ValueError, match=re.escape(said)) as error:
        keys.in_file(text.encode(), ALL)
    assert "\n" not in str(error.value)


def test_certificates_that_no_client_is_asked_for_stop_the_start(tmp_path: Path):
    path = tmp_path / "keys.toml"
    path.write_text(KIOSK)
    said = (
        "API_KEYS_FILE cannot be used: certificates: no client is asked for one; set TLS_CLIENT_CA"
    )
    with pytest.raises(BadSetting, match=said):
        GatewayServer(cast(Any, Settings)(_env_file=None, api_keys_file=path))


# --- who calls, and until when ---


class House(KeyFile):
    """The same for those who show a certificate."""

    def __init__(self, folder: Path, text: str) -> None:
        super().__init__(folder, text)
        self.ours = Authorities(folder)

    def lasts(self, seconds: float, *names: str) -> bytes:
        """A certificate that ends after this time."""
        end = datetime.fromtimestamp(self.now + seconds, UTC)
        return self.ours.client(*names, not_after=end).der


async def test_its_call_ends_as_its_entry_goes_and_not_as_others_come(tmp_path: Path):
    house = House(tmp_path, KIOSK + DESK)
    desk = await house.callers.admit("", house.ours.client("desk.example.org").der)
    assert desk.principal == Principal("desk")
    for text in (GUARD + DESK, DESK + "limits = { calls = 1 }\n", "[[certificates", DESK):
        await house.settles(text)
        assert desk.lapsed() == ""
    await house.settles(KIOSK)
    assert desk.lapsed() == "The certificate of this call opens no calls any more."


async def test_its_call_ends_with_the_certificate(tmp_path: Path):
    house = House(tmp_path, DESK)
    shown = house.lasts(60, "desk.example.org")
    call = await house.callers.admit("", shown)
    token = await house.callers.mint("", 600, shown)
    assert token.expires_at <= house.now + 60
    house.now += 59
    assert call.lapsed() == ""
    house.now += 2
    assert call.lapsed() == "The certificate of this call has expired; call again with a new one."
    with pytest.raises(Unauthenticated, match="The client certificate has expired"):
        await house.callers.admit("", shown)


async def test_one_with_the_names_of_two_principals_is_nobodys(tmp_path: Path):
    house = House(tmp_path, DESK + GUARD)
    both = house.ours.client("desk.example.org", "guard@example.org").der
    with pytest.raises(Unauthenticated, match="stands for several callers") as refused:
        await house.callers.admit("", both)
    assert "desk, guard" in refused.value.reason


async def test_two_names_of_one_principal_are_one(tmp_path: Path):
    house = House(tmp_path, DESK + DESK.replace("dns", "common_name"))
    both = house.ours.client("desk.example.org", common_name="Desk.example.org").der
    assert await house.callers.authenticate("", both) == Principal("desk")


async def test_a_name_counts_only_where_it_stands(tmp_path: Path):
    """A DNS name is no common name, though both say the same."""
    house = House(tmp_path, KIOSK.replace("kiosk 7", "desk.example.org"))
    with pytest.raises(Unauthenticated, match="The client certificate is not known here") as no:
        await house.callers.admit("", house.ours.client("desk.example.org").der)
    assert no.value.reason == (
        "a certificate's names are dns 'desk.example.org', and none is in API_KEYS_FILE"
    )


async def test_its_token_is_its_principals_and_gets_no_further_one(tmp_path: Path):
    house = House(tmp_path, DESK)
    token = await house.callers.mint("", 60, house.ours.client("desk.example.org").der)
    call = await house.callers.admit(token.value)
    assert call.principal == Principal("desk")
    with pytest.raises(NotPermitted):
        await house.callers.mint(token.value, 60, house.ours.client("desk.example.org").der)
    await house.settles(KIOSK)
    assert call.lapsed() != ""


async def test_where_the_file_names_no_certificates_they_only_let_in(tmp_path: Path):
    house = House(tmp_path, DESK_KEY)
    with pytest.raises(Unauthenticated, match="No API key was given"):
        await house.callers.admit("", house.ours.client("desk.example.org").der)


# --- on both ports ---


@asynccontextmanager
async def gateway_of(
    serve: Serve, ours: Authorities, text: str
) -> AsyncGenerator[tuple[Gateway, Path]]:
    path = ours.folder / "keys.toml"
    path.write_text(text)
    chat = FakeChat(["Hello."] * 9)
    async with serve(FakeRiva(), chat, api_keys_file=path, **ours.write()) as gateway:
        yield gateway, path


@asynccontextmanager
async def dialled(gateway: Gateway, client: Client, key: str = "") -> AsyncGenerator[Line]:
    async with grpc.aio.secure_channel(f"localhost:{gateway.port}", client.credentials) as channel:
        stub: Any = pb_grpc.VoiceGatewayStub(channel)
        yield Line(stub.StreamAudio(metadata=[("authorization", f"Bearer {key}")] if key else None))


@asynccontextmanager
async def connected(gateway: Gateway, client: Client) -> AsyncGenerator[Program]:
    url = f"https://127.0.0.1:{gateway.http_port}/v1/realtime?model=test"
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(url, ssl=client.context) as socket,
    ):
        yield Program(socket)


async def test_rights_and_limits_go_by_the_principal_on_both_ports(serve: Serve, tmp_path: Path):
    ours = Authorities(tmp_path)
    text = KIOSK + 'may = ["voice"]\nlimits = { calls = 2 }\n'
    kiosk = ours.client(common_name="kiosk 7")
    async with gateway_of(serve, ours, text) as (gateway, _):
        async with dialled(gateway, kiosk) as line:
            await line.say(config=pb.VoiceConfig(system_prompt="Be rude."))
            assert (await line.refusal())[0] is grpc.StatusCode.PERMISSION_DENIED
        async with connected(gateway, kiosk) as program, dialled(gateway, kiosk) as line:
            await program.until("session.created")
            await program.say(
                "session.update", session={"type": "realtime", "instructions": "Be rude."}
            )
            assert (await program.error())["code"] == "not_permitted"
            await line.say(config=pb.VoiceConfig())
            await line.until(pb.LISTENING)
            async with dialled(gateway, kiosk) as third:
                status, said = await third.refusal()
            assert status is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert said == "2 calls of principal 'kiosk' are running; allowed: 2 at once"


async def test_a_stranger_is_refused_in_a_sentence_on_both_ports(serve: Serve, tmp_path: Path):
    ours = Authorities(tmp_path)
    stranger = ours.client("lobby.example.org")
    async with gateway_of(serve, ours, DESK) as (gateway, _):
        said = (
            "The client certificate is not known here; "
            "send an API key as `Authorization: Bearer KEY`."
        )
        async with dialled(gateway, stranger) as line:
            assert await line.refusal() == (grpc.StatusCode.UNAUTHENTICATED, said)
        url = f"https://127.0.0.1:{gateway.http_port}/v1/models"
        async with aiohttp.ClientSession() as http, http.get(url, ssl=stranger.context) as answer:
            assert (answer.status, (await answer.json())["error"]["message"]) == (401, said)


async def test_calls_end_as_the_certificates_entry_goes(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr("voice_gateway.access.watched._LOOK_S", 0.01)
    monkeypatch.setattr("voice_gateway.call.calls._LOOK_AT_KEYS_S", 0.01)
    ours = Authorities(tmp_path)
    desk, guard = ours.client("desk.example.org"), ours.client("guard@example.org")
    async with (
        gateway_of(serve, ours, DESK + GUARD) as (gateway, path),
        dialled(gateway, desk) as line,
        dialled(gateway, guard) as others,
        connected(gateway, desk) as program,
    ):
        for each in (line, others):
            await each.say(config=pb.VoiceConfig())
            await each.until(pb.LISTENING)
        await program.until("session.created")
        path.write_text(GUARD)
        said = "The certificate of this call opens no calls any more."
        assert await line.refusal() == (grpc.StatusCode.UNAUTHENTICATED, said)
        assert (await program.error())["message"] == said
        assert await program.rest() == 3000
        await others.say(text_input="hello")
        await others.until(pb.END_OF_TURN)


async def test_a_key_beside_a_certificate_is_the_one_that_counts(serve: Serve, tmp_path: Path):
    ours = Authorities(tmp_path)
    guard = ours.client("guard@example.org")
    async with gateway_of(serve, ours, DESK_KEY + "limits = { calls = 1 }\n" + GUARD) as (
        gateway,
        _,
    ):
        async with dialled(gateway, guard, "desk-key") as line:
            await line.say(config=pb.VoiceConfig())
            await line.until(pb.LISTENING)
            async with dialled(gateway, guard, "desk-key") as second:
                assert "principal 'desk'" in (await second.refusal())[1]
            async with dialled(gateway, guard) as own:
                await own.say(config=pb.VoiceConfig())
                await own.until(pb.LISTENING)
        async with dialled(gateway, guard, "wrong-key") as line:
            said = "Incorrect API key provided."
            assert await line.refusal() == (grpc.StatusCode.UNAUTHENTICATED, said)

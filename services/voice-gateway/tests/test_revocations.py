"""Clients' certificates that are revoked: what the list must be, and what their calls come to."""

import asyncio
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
import trustme
from cryptography import x509
from voice_gateway.access import revocations
from voice_gateway.errors import Unauthenticated
from voice_gateway.server import GatewayServer
from voice_gateway.settings import BadSetting, Settings
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva
from voice_proto import voice_workflow_pb2 as pb

from .authorities import Authorities, Client, crl
from .conftest import Serve
from .key_files import KeyFile
from .test_certificates import connected, dialled

DESK = '[[certificates]]\nname = "desk"\ndns = "desk.example.org"\n'
REVOKED = "The client certificate was revoked; call again with another."
DAY = timedelta(days=1)


class House(KeyFile):
    """A file of certificates with a list of those that are revoked."""

    def __init__(self, folder: Path, *revoked: Client, ours: Authorities | None = None) -> None:
        self.ours = ours or Authorities(folder)
        self.ours.write()
        self.ca = folder / "tls_client_ca"
        self.crl = revocations.watched(self.ours.revoke(*revoked), self.ca)
        super().__init__(folder, DESK, revocations=self.crl)

    async def revokes(self, *clients: Client, **by: Any) -> None:
        self.ours.revoke(*clients, **by)
        await self.crl.look()


# --- the list ---


def test_several_lists_in_one_file_count_together(tmp_path: Path):
    ours, others = Authorities(tmp_path), trustme.CA()
    ours.write()
    (tmp_path / "tls_client_ca").write_bytes(
        ours.clients.cert_pem.bytes() + others.cert_pem.bytes()
    )
    one = ours.client("desk.example.org")
    other = Client(others.issue_cert("desk.example.org"), ours.server)
    both = crl(ours.clients, [one], DAY) + crl(others, [other], DAY)
    (tmp_path / "crl.pem").write_bytes(b"issued today\n" + both)
    found = revocations.watched(tmp_path / "crl.pem", tmp_path / "tls_client_ca").value
    assert len(found.revoked) == 2


def settings_of(ours: Authorities, path: Path) -> Settings:
    return cast(Any, Settings)(_env_file=None, tls_client_crl=path, **ours.write())


@pytest.mark.parametrize("what", ["empty", "garbage", "a stranger's", "a delta", "half of one"])
def test_a_file_that_is_no_whole_list_of_ours_stops_the_start(tmp_path: Path, what: str):
    ours = Authorities(tmp_path)
    listed = {
        "empty": (b"", "holds no list"),
        "garbage": (
            b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
            "cannot be read",
        ),
        "a stranger's": (crl(trustme.CA(), [], DAY), "is signed by none of TLS_CLIENT_CA"),
        "a delta": (
            crl(ours.clients, [], DAY, x509.DeltaCRLIndicator(1)),
            "is a part of one; only whole ones are read",
        ),
        "half of one": (crl(ours.clients, [], DAY)[:-40], "holds no list"),
    }
    path = tmp_path / "crl.pem"
    path.write_bytes(listed[what][0])
    with pytest.raises(BadSetting, match=f"TLS_CLIENT_CRL cannot be used: .*{listed[what][1]}"):
        GatewayServer(settings_of(ours, path))


# --- who may call ---


async def test_whoever_is_revoked_is_refused_with_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    ours = Authorities(tmp_path)
    revoked, good = (ours.client("desk.example.org") for _ in range(2))
    house = House(tmp_path, revoked, ours=ours)
    with caplog.at_level(logging.INFO), pytest.raises(Unauthenticated, match=REVOKED):
        await house.callers.admit("", revoked.der)
    serial = x509.load_der_x509_certificate(revoked.der).serial_number
    assert (
        "a caller is refused: a client's certificate is revoked: "
        f"dns 'desk.example.org', serial {serial:x}"
    ) in caplog.text
    assert (await house.callers.admit("", good.der)).lapsed() == ""
    assert not house.callers.recognises(revoked.der)


async def test_a_call_and_a_token_end_as_their_certificate_is_revoked(tmp_path: Path):
    house = House(tmp_path)
    one, other = (house.ours.client("desk.example.org") for _ in range(2))
    calls = [await house.callers.admit("", each.der) for each in (one, other)]
    token = (await house.callers.mint("", 600, one.der)).value
    by_token = await house.callers.admit(token, other.der)
    await house.revokes(one)
    assert [call.lapsed() for call in calls] == [REVOKED, ""]
    assert by_token.lapsed() == REVOKED
    with pytest.raises(Unauthenticated, match="The token is not accepted"):
        await house.callers.admit(token, other.der)


async def test_a_list_that_cannot_be_read_changes_nothing(tmp_path: Path):
    house = House(tmp_path)
    one, other = (house.ours.client("desk.example.org") for _ in range(2))
    await house.revokes(one)
    calls = await house.callers.admit("", other.der)
    await house.revokes(other, authority=trustme.CA())
    assert calls.lapsed() == ""
    with pytest.raises(Unauthenticated):
        await house.callers.admit("", one.der)


async def test_one_that_is_out_of_date_stays_in_force_and_is_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    house = House(tmp_path)
    one, other = (house.ours.client("desk.example.org") for _ in range(2))
    await house.revokes(one, lasts=timedelta(seconds=-60))
    for _ in range(3):
        assert (await house.callers.admit("", other.der)).lapsed() == ""
    with pytest.raises(Unauthenticated):
        await house.callers.admit("", one.der)
    assert caplog.text.count("TLS_CLIENT_CRL is out of date") == 1


async def test_without_keys_a_revoked_certificate_is_refused_as_well(serve: Serve, tmp_path: Path):
    ours = Authorities(tmp_path)
    revoked, good = (ours.client("desk.example.org") for _ in range(2))
    files = {**ours.write(), "tls_client_crl": ours.revoke(revoked)}
    async with serve(FakeRiva(), FakeChat(["Hello."]), **files) as gateway:
        async with dialled(gateway, revoked) as line:
            assert await line.refusal() == (grpc.StatusCode.UNAUTHENTICATED, REVOKED)
        async with connected(gateway, revoked) as program:
            assert (await program.error())["message"] == REVOKED
            assert await program.rest() == 3000
        async with connected(gateway, good) as program:
            await program.until("session.created")


async def test_running_calls_of_one_that_is_revoked_end_on_both_ports(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr("voice_gateway.access.watched._LOOK_S", 0.01)
    monkeypatch.setattr("voice_gateway.call.calls._LOOK_AT_KEYS_S", 0.01)
    ours = Authorities(tmp_path)
    one, other = (ours.client("desk.example.org") for _ in range(2))
    (tmp_path / "keys.toml").write_text(DESK)
    files = {**ours.write(), "tls_client_crl": ours.revoke()}
    async with (
        serve(
            FakeRiva(), FakeChat(["Hello."] * 3), api_keys_file=tmp_path / "keys.toml", **files
        ) as gateway,
        dialled(gateway, one) as line,
        dialled(gateway, other) as others,
        connected(gateway, one) as program,
        asyncio.timeout(120),
    ):
        for each in (line, others):
            await each.say(config=pb.VoiceConfig())
            await each.until(pb.LISTENING)
        await program.until("session.created")
        ours.revoke(one)
        assert await line.refusal() == (grpc.StatusCode.UNAUTHENTICATED, REVOKED)
        assert (await program.error())["message"] == REVOKED
        assert await program.rest() == 3000
        await others.say(text_input="hello")
        await others.until(pb.END_OF_TURN)

"""Keys, tokens and signers one by one: what is taken, what is refused, what changes on the way."""

import asyncio
import hashlib
import json
import logging
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from voice_gateway.access import keys
from voice_gateway.access.callers import Callers
from voice_gateway.access.jwts import Issuer
from voice_gateway.access.opened import Access, AccessOptions
from voice_gateway.access.signers import FetchedSigners, signers
from voice_gateway.access.tokens import Tokens
from voice_gateway.access.watched import WatchedFiles
from voice_gateway.errors import NotPermitted, Unauthenticated
from voice_gateway.principals import ANYONE, Limits, Principal, Rights

from .credentials import AUDIENCE, ISSUER, KEY, OTHERS_KEY, WRONG, jwks, keys_file, signed

ALL = Rights()
VOICE_ALONE = keys.rights_of(["voice"])
A, B = (hashlib.sha256(name).hexdigest() for name in (b"a", b"b"))


def entry(**changes: Any) -> dict[str, Any]:
    return {"name": "kiosk", "sha256": A, **changes}


def owner(given: Sequence[keys.Key], bearer: str) -> Principal | None:
    found = keys.find(given, bearer)
    return found.owner if found else None


def in_json(*entries: Any) -> bytes:
    return json.dumps({"keys": entries}).encode()


class TestFileOfKeys:
    def test_an_entry_has_a_name_rights_and_limits(self):
        found = keys.in_file(keys_file().encode(), ALL)
        assert owner(found.keys, KEY) == Principal("mine", ALL)
        assert owner(found.keys, OTHERS_KEY) == Principal("other", VOICE_ALONE, Limits(calls=3))
        assert owner(found.keys, "wrong") is None

    def test_json_says_the_same(self):
        limits = {"calls": 2, "new_calls_per_s": 0.5, "requests_per_min": 60}
        (key,) = keys.in_file(in_json(entry(may=[], limits=limits)), ALL).keys
        assert key.owner.rights == Rights(*[False] * 5)
        assert key.owner.limits == Limits(calls=2, new_calls_per_s=0.5, requests_per_min=60)

    def test_a_key_is_replaced_while_both_are_good(self):
        found = keys.in_file(in_json(entry(), entry(sha256=B)), ALL)
        assert owner(found.keys, "a") == owner(found.keys, "b") == Principal("kiosk")

    def test_a_file_without_keys_lets_nobody_in(self):
        assert keys.in_file(b"keys = []", ALL).keys == ()

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (b"", "keys: Field required"),
            (b"\xff", "neither TOML nor JSON"),
            (b"[[keys", "neither TOML nor JSON"),
            (b'{"keys": ', "neither TOML nor JSON"),
            (b'{"a":' * 100_000, "nested too deep"),
            (in_json(entry(sha256="right-key")), "keys.0.sha256: String should match"),
            (in_json(entry(name="a b")), "keys.0.name: String should match"),
            (in_json(entry(name="")), "keys.0.name: String should match"),
            (in_json(entry(name="jwt:ann")), "keys.0.name: String should match"),
            (in_json(entry(name="anyone")), "stands for callers without a key"),
            (in_json(entry(may=["all"])), "keys.0.may.0: Input should be 'system_prompt'"),
            (in_json(entry(limits={"calls": 0})), "keys.0.limits.calls: Input should be greater"),
            (in_json(entry(key="secret")), "keys.0.key: Extra inputs are not permitted"),
            (in_json(entry(), entry()), "the key of 'kiosk' is there twice"),
            (in_json(entry(), entry(sha256=B, may=[])), "differ in what they may"),
        ],
    )
    def test_a_file_that_is_wrong_is_named_in_one_line_without_its_text(
        self, text: bytes, said: str
    ):
        with pytest.raises(ValueError, match=re.escape(said)) as error:
            keys.in_file(text, ALL)
        assert "\n" not in str(error.value)
        assert "right-key" not in str(error.value)


def test_each_key_of_the_list_is_a_principal_whose_name_stays_the_same():
    one, two = keys.listed(" first, second ,", ALL)
    assert owner([one, two], "second") == two.owner
    assert one.owner.name != two.owner.name
    assert keys.listed("second", ALL)[0].owner == two.owner


class TestWatchedFiles:
    def watched(self, folder: Path, text: str) -> WatchedFiles[int]:
        (folder / "number").write_text(text)
        return WatchedFiles("NUMBER", [folder / "number"], lambda contents: int(contents[0]))

    async def test_a_change_counts(self, tmp_path: Path):
        watched = self.watched(tmp_path, "1")
        (tmp_path / "number").write_text("22")
        await watched.look()
        assert watched.value == 22

    async def test_so_does_a_link_that_leads_elsewhere(self, tmp_path: Path):
        """As Kubernetes changes the files of a secret."""
        for name in ("old", "new"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "number").write_text(str(len(name) + (name == "new")))
        (tmp_path / "data").symlink_to("old")
        path = tmp_path / "data" / "number"
        watched = WatchedFiles("NUMBER", [path], lambda contents: int(contents[0]))
        (tmp_path / "next").symlink_to("new")
        (tmp_path / "next").replace(tmp_path / "data")
        await watched.look()
        assert watched.value == 4

    @pytest.mark.parametrize("text", ["one", None])
    async def test_one_that_cannot_be_read_changes_nothing_and_is_said_once(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str | None
    ):
        watched = self.watched(tmp_path, "1")
        path = tmp_path / "number"
        path.unlink() if text is None else path.write_text(text)
        for _ in range(3):
            await watched.look()
        assert watched.value == 1
        told = [r for r in caplog.records if r.levelno == logging.ERROR]
        assert len(told) == 1
        assert told[0].getMessage().startswith("NUMBER: what it was before stays in force: ")
        path.write_text("3")
        await watched.look()
        assert watched.value == 3

    def test_at_the_start_it_must_be_right(self, tmp_path: Path):
        with pytest.raises(ValueError, match="invalid literal"):
            self.watched(tmp_path, "one")


class TestTokens:
    def setup_method(self) -> None:
        self.now = 1_000.0
        self.tokens = Tokens(b"secret", lambda: self.now)

    def test_a_token_is_its_principals_until_it_ends(self):
        token = self.tokens.mint("mine", 60)
        assert token.expires_at == 1_060
        self.now = 1_059.9
        assert self.tokens.claims(token.value).principal == "mine"
        self.now = 1_060
        with pytest.raises(Unauthenticated, match="The token has expired"):
            self.tokens.claims(token.value)

    def test_it_ends_no_later_than_what_it_was_minted_for(self):
        assert self.tokens.mint("mine", 600, until=1_030.0).expires_at == 1_030

    def test_whatever_is_changed_in_it_it_is_refused(self):
        value = self.tokens.mint("mine", 60).value
        said, _, mac = value.partition(".")
        stronger = self.tokens.mint("mine", 600).value.partition(".")[0]
        wrong = [f"{stronger}.{mac}", said, f"{said}.", f"{said}.{mac[:-4]}", "ek_", "ek_.", "ek_é"]
        for each in wrong:
            with pytest.raises(Unauthenticated, match="The token is not accepted"):
                self.tokens.claims(each)


def callers(*listed: str, now: float = 1_000.0) -> Callers:
    return Callers(
        listed=keys.Entries(keys.listed(",".join(listed), ALL)),
        file=None,
        issuer=None,
        tokens=Tokens(b"secret", lambda: now),
        rights=VOICE_ALONE,
        now=lambda: now,
    )


class TestCallers:
    async def test_where_no_key_is_set_anyone_calls_with_the_rights_of_the_setting(self):
        access = Access(AccessOptions(may=frozenset({"voice"})))
        assert not access.callers.asks
        for bearer in ("", "whatever"):
            who = await access.callers.authenticate(bearer)
            assert who == Principal(ANYONE.name, VOICE_ALONE)

    async def test_a_key_that_looks_like_a_token_or_a_jwt_is_a_key(self):
        known = callers("ek_x.y", "a.b.c")
        for key in ("ek_x.y", "a.b.c"):
            assert (await known.authenticate(key)).name.startswith("key-")

    async def test_a_token_ends_with_its_key(self):
        token = await callers("first").mint("first", 60)
        assert (await callers("first").authenticate(token.value)).name.startswith("key-")
        with pytest.raises(Unauthenticated):
            await callers("second").authenticate(token.value)

    async def test_a_token_gets_no_token(self):
        known = callers("first")
        token = await known.mint("first", 60)
        with pytest.raises(NotPermitted):
            await known.mint(token.value, 60)

    async def test_a_flood_of_wrong_keys_is_no_flood_of_lines(
        self, caplog: pytest.LogCaptureFixture
    ):
        caplog.set_level(logging.INFO)
        known = callers("first")
        for _ in range(100):
            with pytest.raises(Unauthenticated, match="Incorrect API key"):
                await known.authenticate("planted-wrong-key")
        told = [r for r in caplog.records if "refused" in r.getMessage()]
        assert 1 <= len(told) <= 10
        assert "planted" not in caplog.text

    @pytest.mark.parametrize("what", WRONG)
    async def test_nothing_that_is_wrong_raises_anything_else(self, tmp_path: Path, what: str):
        (tmp_path / "jwks.json").write_text(jwks())
        options = AccessOptions(
            "first", jwks=str(tmp_path / "jwks.json"), issuer=ISSUER, audience=AUDIENCE
        )
        with pytest.raises(Unauthenticated):
            await Access(options).callers.authenticate(WRONG[what])

    @pytest.mark.parametrize("setting", ["keys_file", "jwks"])
    def test_a_file_that_is_wrong_at_the_start_is_named_by_its_setting(
        self, tmp_path: Path, setting: str
    ):
        (tmp_path / "file").write_text("{}")
        path = tmp_path / "file"
        given: Any = {"keys_file": path} if setting == "keys_file" else {"jwks": str(path)}
        names = {"keys_file": "API_KEYS_FILE", "jwks": "JWT_JWKS"}
        with pytest.raises(ValueError, match=f"{names[setting]} cannot be used: "):
            Access(AccessOptions(**given))


class TestSets:
    @pytest.mark.parametrize(
        "document",
        [
            b"", b"[]", b"{}", b'{"keys": 1}', b'{"keys": [1]}', b'{"keys": []}', b"\xff",
            b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}',
            b'{"keys": [{"kty": "RSA", "n": "!", "e": "!"}]}',
        ],
    )  # fmt: skip
    def test_one_without_a_public_key_is_refused(self, document: bytes):
        with pytest.raises(ValueError, match="it "):
            signers(document)

    def test_a_symmetric_key_is_passed_over(self):
        assert set(signers(jwks().encode())) == {"r1", "e1"}

    async def test_a_key_may_be_for_one_algorithm_alone(self, tmp_path: Path):
        document = json.loads(jwks())
        document["keys"][0]["alg"] = "PS256"
        (tmp_path / "set").write_text(json.dumps(document))
        access = Access(AccessOptions(jwks=str(tmp_path / "set"), issuer=ISSUER, audience=AUDIENCE))
        with pytest.raises(Unauthenticated):
            await access.callers.authenticate(signed(algorithm="RS256"))
        assert (await access.callers.authenticate(signed(algorithm="PS256"))).name == "jwt:ann"


class Publisher:
    """Publishes a JWKS by HTTP, as long as it is well."""

    def __init__(self, document: str) -> None:
        self.document = document
        self.fetched = 0
        self.asked, self.goes_on = asyncio.Event(), asyncio.Event()
        self.goes_on.set()

    async def answer(self, request: web.Request) -> web.Response:
        self.fetched += 1
        self.asked.set()
        await self.goes_on.wait()
        return web.Response(text=self.document)


@asynccontextmanager
async def publishing(document: str = "{}") -> AsyncGenerator[tuple[Publisher, FetchedSigners]]:
    publisher = Publisher(document)
    app = web.Application()
    app.router.add_get("/jwks", publisher.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found = FetchedSigners(f"http://127.0.0.1:{runner.addresses[0][1]}/jwks")
    async with asyncio.TaskGroup() as tasks:
        fetching = tasks.create_task(found.run())
        yield publisher, found
        fetching.cancel()
    await found.close()
    await runner.cleanup()


class TestFetchedSigners:
    async def test_keys_come_and_change_without_a_restart(self, monkeypatch: pytest.MonkeyPatch):
        whole = json.loads(jwks())
        async with publishing(json.dumps({"keys": whole["keys"][1:]})) as (publisher, found):
            issuer = Issuer(found, ISSUER, AUDIENCE)
            with pytest.raises(Unauthenticated) as refused:
                await issuer.check(signed(kid="r1"))
            assert "'r1' is not in JWT_JWKS" in refused.value.reason
            publisher.document = json.dumps(whole)
            with pytest.raises(Unauthenticated):  # it was fetched a moment ago
                await issuer.check(signed(kid="r1"))
            assert publisher.fetched == 1
            monkeypatch.setattr("voice_gateway.access.signers._AGAIN_S", 0.0)
            assert (await issuer.check(signed(kid="r1"))).subject == "ann"

    async def test_strangers_kids_fetch_it_once(self):
        async with publishing(jwks()) as (publisher, found):
            async with asyncio.TaskGroup() as tasks:
                asked = [tasks.create_task(found.find(f"kid-{n}")) for n in range(50)]
            assert [task.result() for task in asked] == [None] * 50
            assert publisher.fetched == 1

    async def test_who_hangs_up_meanwhile_breaks_off_nothing(self):
        async with publishing(jwks()) as (publisher, found):
            publisher.goes_on.clear()
            async with asyncio.TaskGroup() as tasks:
                stranger = tasks.create_task(found.find("kid"))
                caller = tasks.create_task(found.find("r1"))
                await publisher.asked.wait()
                stranger.cancel()
                publisher.goes_on.set()
            assert caller.result()
            assert publisher.fetched == 1

    @pytest.mark.parametrize("fault", ["hangs", "nonsense", "long"])
    async def test_a_publisher_that_is_not_well_costs_no_key_that_is_known(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: str
    ):
        async with publishing(jwks()) as (publisher, found):
            assert await found.find("r1")
            monkeypatch.setattr("voice_gateway.access.signers._AGAIN_S", 0.0)
            monkeypatch.setattr("voice_gateway.access.signers._TIMEOUT_S", 0.2)
            if fault == "hangs":
                publisher.goes_on.clear()
            publisher.document = " " * 300_000 if fault == "long" else "nonsense"
            for _ in range(3):
                assert await found.find("r9") is None
            assert await found.find("r1")
        told = [r for r in caplog.records if "cannot be fetched" in r.getMessage()]
        assert len(told) == 1

    async def test_before_there_is_any_a_caller_is_asked_to_come_back(
        self, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("voice_gateway.access.signers._TIMEOUT_S", -0.9)
        issuer = Issuer(FetchedSigners("http://127.0.0.1:1/jwks"), ISSUER, AUDIENCE)
        with pytest.raises(Unauthenticated, match="cannot be checked just now"):
            await issuer.check(signed())
        await issuer.signers.close()

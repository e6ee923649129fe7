"""What reads strangers' bytes, as functions that raise only where something is wrong.

Each takes any bytes, and accepts the errors that the gateway means a caller or an operator to see.
"""

import asyncio
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import cache
from random import Random
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import DecodeError
from voice_gateway.access.callers import Callers
from voice_gateway.access.jwts import Issuer
from voice_gateway.access.keys import Entries, in_file, listed
from voice_gateway.access.signers import Signer, SignerSource, signers
from voice_gateway.access.tokens import Tokens
from voice_gateway.call.resumable import Line, Resumable
from voice_gateway.call.resume_tokens import ResumeTokens, handle_of
from voice_gateway.errors import BadMessage, CallError, NotPermitted, Unauthenticated
from voice_gateway.latency import TurnStages
from voice_gateway.messages import (
    CallConfig,
    CutOff,
    Processing,
    ReplyAudio,
    ReplyText,
    ToCaller,
    Transcript,
    TurnOver,
)
from voice_gateway.principals import Rights
from voice_gateway.transports import wire
from voice_gateway.transports.codec import agree
from voice_gateway.transports.grpc import message_of
from voice_gateway.transports.lines import WireEncoding
from voice_gateway.transports.realtime import frames, inbound, outbound
from voice_gateway.transports.realtime.fields import BadEvent
from voice_gateway.transports.realtime.session_options import SessionOptions
from voice_gateway.transports.realtime.state import Events, State
from voice_proto import voice_workflow_pb2 as pb

from malformed.plans import drawn

_MOST_EVENTS = 64
_DEFAULTS = wire.Defaults("en-US", 16_000, "", "Be brief.")
_STAGES = TurnStages(None, None, None, None, None)
_ISSUER, _AUDIENCE = "https://issuer.example", "voice"

T = TypeVar("T")


# The Realtime API's events, with what the call says between them.


def realtime(data: bytes) -> None:
    """A client's frames, one a line; a line that begins with `!` is the call's next message."""
    config = CallConfig("call", "en-US", 24_000, "", "Be brief.")
    state = State(SessionOptions("call", "m", config), extended=True)
    call = _CallSide()
    for line in data.split(b"\n")[:_MOST_EVENTS]:
        if line.startswith(b"!"):
            for message in call.next(line[1:]):
                _check(outbound.told(state, message))
        else:
            _follow(state, line.decode(errors="replace"))


def _follow(state: State, frame: str) -> None:
    try:
        for event in frames.opened(frame):
            taken = inbound.followed(state, event)
            _check(taken.events)
            for refusal in taken.refused:
                _check([outbound.refused(state, refusal, None)])
    except BadEvent as refusal:
        _check([outbound.refused(state, refusal, None)])


def _check(events: Events) -> None:
    """Whether they can be sent, and are what JSON has."""
    for event in events:
        json.dumps(event, allow_nan=False).encode()


class _CallSide:
    """Says what a call says, in an order in which it may."""

    def __init__(self) -> None:
        self._reply = 0
        self._speaks = False
        self._audio_s = 0.0

    def next(self, what: bytes) -> Sequence[ToCaller]:
        kind, text = what[:1], what[1:41].decode(errors="replace")
        if not self._speaks:
            return self._between(kind, text)
        match kind:
            case b"t":
                return [ReplyText(self._reply, text)]
            case b"a":
                self._audio_s += 0.1
                return [ReplyAudio(self._reply, self._audio_s - 0.1, bytes(4_800))]
            case b"o":
                self._speaks = False
                return [TurnOver(self._reply, _STAGES)]
            case b"c":
                self._speaks = False
                return [CutOff(self._reply, self._audio_s, text)]
            case _:
                return [Transcript(text, final=kind == b"f")]

    def _between(self, kind: bytes, text: str) -> Sequence[ToCaller]:
        if kind != b"p":
            return [Transcript(text, final=kind == b"f")]
        self._reply += 1
        self._speaks, self._audio_s = True, 0.0
        return [Processing(self._reply)]


# gRPC.


def config(data: bytes) -> None:
    """A stream's first message, and another one as the same bytes."""
    try:
        message = message_of(data)
    except (DecodeError, BadMessage):
        return
    try:
        asked = message.config
        checked = wire.to_config(asked, _DEFAULTS)
        agree(asked, checked.rate_hz)
        wire.from_client(message)
    except (BadMessage, NotPermitted):
        return


def lines(data: bytes) -> None:
    """A resumable call's messages, each behind its length; a length of 0 is a new connection."""
    asyncio.run(_carried(data))


async def _carried(data: bytes) -> None:
    tokens, caller = ResumeTokens(), await _resumable()
    line, place = caller.attach(0), 0
    while place < len(data):
        length, place = data[place], place + 1
        piece, place = data[place : place + length], place + length
        if not length:
            line = _came_back(caller, tokens, data[place : place + 44]) or line
            continue
        try:
            await _take_in(caller, line, message_of(piece))
        except (DecodeError, CallError):
            continue
        if caller.confirmed:
            tokens.arrived()


async def _resumable() -> Resumable:
    caller = Resumable(WireEncoding(agree(pb.VoiceConfig(), 16_000), asked=False))
    await caller.send(Processing(1))
    await caller.send(ReplyAudio(1, 0.0, bytes(640)))
    return caller


def _came_back(caller: Resumable, tokens: ResumeTokens, piece: bytes) -> Line | None:
    """Attach where a token would let it; whatever it says, at most one is newer than the call."""
    shown = tokens.issue()
    handle_of(given := piece.decode(errors="replace"))
    if tokens.use(given):
        raise AssertionError("a token was accepted that was never issued")
    if not tokens.use(shown):
        raise AssertionError("the newest token was refused")
    return caller.attach(1) if caller.reaches(1) else None


async def _take_in(caller: Resumable, line: Line, message: pb.ClientMessage) -> None:
    await _at_once(caller.take_in(line, wire.from_client(message), message.acknowledged))
    await _at_once(caller.next_for(line))
    while await _at_once(caller.receive()) is not None:
        pass


async def _at_once(work: Coroutine[Any, Any, T]) -> T | None:
    """What comes of it without waiting; where it would wait, that is the end of it."""
    task = asyncio.create_task(work)
    await asyncio.wait((task,), timeout=0)
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.wait((task,))
    return None


# Who calls.


def keys_file(data: bytes) -> None:
    try:
        in_file(data, Rights())
    except ValueError:
        return


def jwks(data: bytes) -> None:
    try:
        signers(data)
    except ValueError:
        return


def bearers(data: bytes) -> None:
    """What a caller shows: any text, or claims that were signed by one of ours."""
    kind, said = data[:1], data[1:]
    if kind == b"s":
        shown = _signed(said)
    elif kind == b"h":
        shown = _signed(b"{}", header=said)
    else:
        shown = data.decode(errors="surrogateescape")
    try:
        _callers().authenticate(shown).send(None)  # it waits for nothing
    except (StopIteration, Unauthenticated):
        return


def _signed(claims: bytes, header: bytes = b'{"alg":"EdDSA","kid":"k"}') -> str:
    signing = b".".join((_base64(header), _base64(claims)))
    return b".".join((signing, _base64(_key().sign(signing)))).decode()


def _base64(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


@cache
def _key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes(32))


class _OneSigner(SignerSource):
    async def find(self, kid: str) -> Signer | None:
        return Signer(_key().public_key(), None, "k") if kid in ("", "k") else None

    def holds(self, fingerprint: str) -> bool:
        return fingerprint == "k"

    async def run(self) -> None:
        """Nothing changes."""

    async def close(self) -> None:
        """Nothing is open."""


@cache
def _callers() -> Callers:
    keys = Entries(listed("the-key", Rights()))
    issuer = Issuer(_OneSigner(), _ISSUER, _AUDIENCE)
    tokens = Tokens(bytes(32), lambda: 0.0)
    return Callers(
        listed=keys, file=None, issuer=issuer, tokens=tokens, rights=Rights(), now=lambda: 0.0
    )


PARSERS: Mapping[str, Callable[[bytes], None]] = {
    "realtime": realtime,
    "config": config,
    "lines": lines,
    "keys-file": keys_file,
    "jwks": jwks,
    "bearers": bearers,
}


# What the fuzzer begins with.

_CLAIMS = json.dumps(
    {"iss": _ISSUER, "aud": _AUDIENCE, "sub": "ada", "exp": 2**33, "nbf": 1, "iat": 1}
).encode()
_MADE: Mapping[str, Sequence[bytes]] = {
    "keys-file": (
        b'[[keys]]\nname = "ada"\nsha256 = "' + b"a" * 64 + b'"\nmay = ["voice"]\n'
        b"[keys.limits]\ncalls = 2\nrequests_per_min = 1.5\n",
        b'{"keys": [{"name": "bo", "sha256": "' + b"b" * 64 + b'", "may": null}]}',
    ),
    "jwks": (
        b'{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k", "use": "sig", '
        b'"x": "O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik"}]}',
        b'{"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", '
        b'"x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", '
        b'"y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}',
        b'{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}, {"kty": "oct", "k": "AQAB"}]}',
    ),
    "bearers": (
        b"the-key",
        Tokens(bytes(32), lambda: 0.0).mint("key-000000000000", 60).value.encode(),
        b"s" + _CLAIMS,
        b'h{"alg":"EdDSA","kid":"k","typ":"JWT","b64":false,"crit":["b64"]}',
    ),
}


def seeds(parser: str, seed: int) -> Sequence[bytes]:
    """Inputs that lead deep into a parser."""
    if parser in _MADE:
        return _MADE[parser]
    random, plans = Random(seed), [drawn(seed, number) for number in range(400)]
    if parser == "realtime":
        return [_script(plan.messages, random) for plan in plans if plan.front == "page"]
    sent = [message for plan in plans if plan.front == "grpc" for message in plan.messages]
    short = [message for message in sent if isinstance(message, bytes) and 0 < len(message) < 256]
    if parser == "config":
        return short[:400]
    return [
        b"".join(bytes((len(m),)) + m for m in short[place : place + 8]) + b"\x00"
        for place in range(0, 400, 8)
    ]


_CALL_SAYS = ("!p", "!thello", "!a", "!o", "!c", "!fhello", "!iwell")


def _script(messages: Sequence[bytes | str], random: Random) -> bytes:
    """Frames as lines, with what the call says between them."""
    told: list[str] = []
    for frame in messages:
        if isinstance(frame, str) and len(frame) < 4_000 and "\n" not in frame:
            told += [frame, random.choice(_CALL_SAYS)]
    return "\n".join(told).encode(errors="replace")

"""Answers `POST /v1/realtime/client_secrets`: a short-lived token for a browser, as OpenAI's is.

A server that holds a key asks for one and hands it to its page, which then never sees the key. The
token carries the session's settings, so that any gateway that knows its secret can begin with them.
"""

import asyncio
import json
import uuid
import zlib
from typing import Any

from aiohttp import web

from voice_gateway.access.callers import Callers
from voice_gateway.errors import NotPermitted, Unauthenticated
from voice_gateway.messages import CallConfig
from voice_gateway.principals import Principal
from voice_gateway.transports.http_access import (
    HttpAccess,
    bearer,
    certificate,
    refused,
    unauthenticated,
)
from voice_gateway.transports.realtime import fields, frames
from voice_gateway.transports.realtime.fields import BadEvent, Json
from voice_gateway.transports.realtime.session_options import RATE_HZ, SessionOptions
from voice_gateway.transports.wire import Defaults

_USUAL_S, _SHORTEST_S, _LONGEST_S = 600, 10, 7200  # the protocol's own
_MOST_BYTES = 64 * 1024
_BODY_TIMEOUT_S = 5.0
_LONGEST_NAME_CHARS = 128
_LONGEST_TOKEN_CHARS = 7_500  # beside the rest of a header's line, of which proxies take 8 KiB


class ClientSecrets:
    """Mints tokens for callers that show a key or a JWT."""

    def __init__(self, callers: Callers, access: HttpAccess, defaults: Defaults) -> None:
        self._callers = callers
        self._access = access
        self._defaults = defaults

    async def answer(self, request: web.Request) -> web.Response:
        if refusal := self._access.site_refusal(request):
            return refusal
        try:
            grant = await self._access.grant(request)  # before the body is read
            lasts_s, asked = _asked(await _body(request))
            options = self._options(grant.principal, asked)
            said = await self._mint(request, lasts_s, packed(asked))
        except Unauthenticated as error:
            return unauthenticated(error)
        except NotPermitted as error:
            return refused(403, "not_permitted", str(error))
        except BadEvent as error:
            status = 403 if error.code == "not_permitted" else 400
            return refused(status, error.code, str(error), error.param)
        return web.json_response({**said, "session": options.shown()})

    def _options(self, who: Principal, asked: Json) -> SessionOptions:
        """The session that a call with the token begins with; raises BadEvent."""
        defaults = self._defaults
        config = CallConfig(
            uuid.uuid4().hex[:12],
            defaults.language,
            RATE_HZ,
            defaults.voice,
            defaults.system_prompt,
            rights=who.rights,
        )
        model = model_of(asked)
        languages = defaults.languages
        options = SessionOptions(config.call_id, model, config, who.rights, languages=languages)
        for refusal in options.update(asked, has_audio=False):
            raise refusal
        return options

    async def _mint(self, request: web.Request, lasts_s: float, carries: bytes) -> Json:
        token = await self._callers.mint(bearer(request), lasts_s, certificate(request), carries)
        if (chars := len(token.value)) > _LONGEST_TOKEN_CHARS:
            said = (
                f"'session' makes a token of {chars} characters; allowed: at most "
                f"{_LONGEST_TOKEN_CHARS}. Send what is long in session.update, once connected."
            )
            raise BadEvent("string_above_max_length", said, "session")
        return {"value": token.value, "expires_at": token.expires_at}


def packed(session: Json) -> bytes:
    """The settings of a session as a token carries them; empty: there are none."""
    if session in ({}, {"type": "realtime"}):
        return b""
    return zlib.compress(json.dumps(session).encode(), 9)


def unpacked(carried: bytes) -> Json:
    """The settings that a token carries whose signature was checked."""
    return json.loads(zlib.decompress(carried)) if carried else {}


def model_of(session: Json) -> str:
    """The model's name, which is shown again and chooses nothing; raises BadEvent."""
    model: Any = session.get("model") or "default"
    return fields.as_text(model, "session.model", _LONGEST_NAME_CHARS)


async def _body(request: web.Request) -> Json:
    """The body, which may be empty; raises BadEvent."""
    try:
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            text = b""
            async for chunk in request.content.iter_any():
                text += chunk
                if len(text) > _MOST_BYTES:
                    raise BadEvent("too_long", f"The body is longer than {_MOST_BYTES} bytes.")
    except TimeoutError:
        said = f"The body did not come within {_BODY_TIMEOUT_S:g} s."
        raise BadEvent("timed_out", said) from None
    try:
        return frames.parsed(text.decode()) if text.strip() else {}
    except UnicodeDecodeError:
        raise BadEvent("invalid_json", "The body is not UTF-8.") from None


def _asked(body: Json) -> tuple[float, Json]:
    """How long the token is to last, and the session; raises BadEvent."""
    fields.known(body, ("expires_after", "session"), "")
    after = fields.as_object(body.get("expires_after") or {}, "expires_after")
    fields.known(after, ("anchor", "seconds"), "expires_after")
    fields.one_of(after.get("anchor", "created_at"), ("created_at",), "expires_after.anchor")
    seconds = after.get("seconds", _USUAL_S)
    lasts_s = fields.as_number(seconds, "expires_after.seconds", _SHORTEST_S, _LONGEST_S)
    return lasts_s, fields.as_object(body.get("session") or {}, "session")

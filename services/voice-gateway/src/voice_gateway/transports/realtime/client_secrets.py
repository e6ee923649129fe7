"""Answers `POST /v1/realtime/client_secrets`: a short-lived token for a browser, as OpenAI's is.

A server that holds a key asks for one and hands it to its page, which then never sees the key.
"""

import asyncio
import uuid
from typing import Any

from aiohttp import web

from voice_gateway.access.callers import Callers
from voice_gateway.errors import NotPermitted, Unauthenticated
from voice_gateway.messages import CallConfig
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
            await self._access.grant(request)  # before the body is read
            lasts_s, model = _asked(await _body(request))
            token = await self._callers.mint(bearer(request), lasts_s, certificate(request))
        except Unauthenticated as error:
            return unauthenticated(error)
        except NotPermitted as error:
            return refused(403, "not_permitted", str(error))
        except BadEvent as error:
            return refused(400, error.code, str(error), error.param)
        session = self._session(model)
        said = {"value": token.value, "expires_at": token.expires_at, "session": session}
        return web.json_response(said)

    def _session(self, model: str) -> Json:
        """The session that a call with the token begins with."""
        defaults = self._defaults
        config = CallConfig(
            uuid.uuid4().hex[:12],
            defaults.language,
            RATE_HZ,
            defaults.voice,
            defaults.system_prompt,
        )
        return SessionOptions(config.call_id, model, config).shown()


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


def _asked(body: Json) -> tuple[float, str]:
    """How long the token is to last, and the model's name; raises BadEvent."""
    fields.known(body, ("expires_after", "session"), "")
    after = fields.as_object(body.get("expires_after") or {}, "expires_after")
    fields.known(after, ("anchor", "seconds"), "expires_after")
    fields.one_of(after.get("anchor", "created_at"), ("created_at",), "expires_after.anchor")
    seconds = after.get("seconds", _USUAL_S)
    lasts_s = fields.as_number(seconds, "expires_after.seconds", _SHORTEST_S, _LONGEST_S)
    return lasts_s, _model(fields.as_object(body.get("session") or {}, "session"))


def _model(session: Json) -> str:
    """A token carries no session: one that was asked for would be dropped without a word."""
    fields.one_of(session.get("type", "realtime"), ("realtime",), "session.type")
    for name in session:
        if name not in ("type", "model"):
            raise fields.unsupported(
                f"session.{name}", "send it in session.update, once connected."
            )
    model: Any = session.get("model") or "default"
    return fields.as_text(model, "session.model", _LONGEST_NAME_CHARS)

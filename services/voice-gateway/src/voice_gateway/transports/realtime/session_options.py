"""Owns the `session` object: checks what a client asks for, and turns it into the call's config.

Fields without an effect here (a tracing setting, a prompt) are kept and shown again, as the
protocol has it; `docs/guides/realtime-api.md` lists them.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, cast

from voice_gateway.audio import g711
from voice_gateway.call.languages import Languages, NotOffered
from voice_gateway.conversation import Message
from voice_gateway.conversation.policy import TurnOptions
from voice_gateway.language import primary_subtag
from voice_gateway.messages import CallConfig, LineEcho, ModelOptions, Speaks, Tool
from voice_gateway.principals import Rights
from voice_gateway.transports.realtime import fields, transcription_session, turn_detection
from voice_gateway.transports.realtime.fields import BadEvent, Json
from voice_gateway.transports.realtime.rights import check_config, not_permitted

RATE_HZ: Final = 24_000
"""The rate of the call and of `audio/pcm`; the protocol has no other."""

Sound = Literal["audio/pcm", "audio/pcmu", "audio/pcma"]

LAWS: Mapping[str, g711.Law] = {"audio/pcmu": "mu", "audio/pcma": "a"}

_PROMPT_CHARS, _NAME_CHARS, _SCHEMA_CHARS = 64_000, 256, 64_000
_MOST_TOOLS = 128
_MOST_TOKENS = 4096
_SESSION_FIELDS = frozenset(
    """type model instructions audio output_modalities tools tool_choice max_output_tokens
    temperature parallel_tool_calls truncation tracing include prompt reasoning id object
    expires_at""".split()
)
_KEPT_FIELDS = frozenset("truncation tracing include prompt reasoning".split())
"""These change nothing here."""
_KEPT_CHARS = 16_000
_AUDIO_FIELDS: Mapping[transcription_session.Kind, Sequence[str]] = {
    "realtime": ("input", "output"),
    "transcription": ("input",),
}
_INPUT_FIELDS = frozenset("format noise_reduction transcription turn_detection".split())
_OUTPUT_FIELDS = frozenset("format voice speed".split())
_RESPONSE_FIELDS = frozenset(
    """instructions output_modalities audio tools tool_choice max_output_tokens temperature
    metadata conversation input parallel_tool_calls prompt reasoning""".split()
)
# These are OpenAI's voices: programs that name one get the gateway's own voice.
_CLOUD_VOICES = frozenset(
    "alloy ash ballad coral echo fable nova onyx sage shimmer verse marin cedar".split()
)
_LANGUAGE = "session.audio.input.transcription.language"
_DEFAULT_REGIONS = {
    "ar": "ar-AR", "de": "de-DE", "en": "en-US", "es": "es-US", "fr": "fr-FR", "hi": "hi-IN",
    "it": "it-IT", "ja": "ja-JP", "ko": "ko-KR", "pt": "pt-BR", "ru": "ru-RU", "zh": "zh-CN",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ResponseOptions:
    """How one response is made: the session with the changes for this response."""

    session: Json
    config: CallConfig

    @property
    def output_format(self) -> Sound:
        return cast(Sound, self.session["audio"]["output"]["format"]["type"])


class SessionOptions:
    """One call's `session`; if `update` raises BadEvent, nothing has changed."""

    def __init__(
        self,
        call_id: str,
        model: str,
        config: CallConfig,
        rights: Rights | None = None,
        kind: transcription_session.Kind = "realtime",
        languages: Languages | None = None,
    ) -> None:
        """`languages`: those that may be asked for; None: any."""
        self._languages = languages
        self.rights = rights or Rights()
        """What the client may replace."""
        self._session: Json = {
            "id": f"sess_{call_id}",
            "type": kind,
            "model": model,
            "instructions": config.system_prompt,
            "output_modalities": ["audio"],
            "tools": [],
            "tool_choice": "auto",
            "max_output_tokens": "inf",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": RATE_HZ},
                    "noise_reduction": None,
                    "transcription": {"model": "riva", "language": config.language},
                    "turn_detection": turn_detection.semantic_vad({}),
                },
                "output": {
                    "format": {"type": "audio/pcm", "rate": RATE_HZ},
                    "voice": config.voice or "default",
                    "speed": 1.0,
                },
            },
        }
        self._base = config
        self._config = _config(self._session, config)

    def shown(self) -> Json:
        """The session as its client sees it."""
        return transcription_session.shown(self._copy())

    def _copy(self) -> Json:
        """A copy whose audio part may be changed; all others are replaced as a whole."""
        return {**self._session, "audio": deepcopy(self._session["audio"])}

    @property
    def config(self) -> CallConfig:
        """The call's present config."""
        return self._config

    @property
    def input_format(self) -> Sound:
        return cast(Sound, self._session["audio"]["input"]["format"]["type"])

    @property
    def response(self) -> ResponseOptions:
        """The options of a response that asks for no changes."""
        return ResponseOptions(self._copy(), self._config)

    @property
    def prompts(self) -> bool:
        """Whether the client wants idle timeouts."""
        return bool(self._config.turns.idle_s)

    @property
    def transcribes(self) -> bool:
        """Whether the client wants transcripts of the caller audio."""
        return self._session["audio"]["input"]["transcription"] is not None

    @property
    def kind(self) -> transcription_session.Kind:
        return self._session["type"]

    @property
    def by_hand(self) -> bool:
        """Whether the client itself says when a turn is over."""
        return self._session["audio"]["input"]["turn_detection"] is None

    def update(self, asked: Json, *, has_audio: bool) -> Sequence[BadEvent]:
        """Merge what a `session.update` asks for; `has_audio`: caller audio came already.

        Return what of it is refused alone: tools of other kinds, beside those that are served.
        """
        kind = transcription_session.kind_after(asked, self.kind, has_audio=has_audio)
        allowed = _SESSION_FIELDS if kind == "realtime" else transcription_session.FIELDS
        fields.known(asked, allowed, "session")
        session = self._copy()
        session["type"] = kind
        for name in asked.keys() - {"audio", "id", "object", "type", "model", "expires_at"}:
            session[name] = asked[name]
            if name in _KEPT_FIELDS:
                fields.as_json(asked[name], f"session.{name}", _KEPT_CHARS)
        if asked.get("audio") is not None:
            audio = fields.as_object(asked["audio"], "session.audio")
            fields.known(audio, _AUDIO_FIELDS[kind], "session.audio")
            _merge_audio(session["audio"], audio)
        session["tools"], refused = _served_tools(session["tools"])
        base = self._base_in(session)
        if session["instructions"] == self._base.system_prompt:
            session["instructions"] = base.system_prompt
        config = _config(session, base)
        check_config(config, base, self.rights, "session")
        self._check_offered(session, config, "session")
        self._session, self._base, self._config = session, base, config
        return refused

    def speaks(self, change: Speaks) -> None:
        """The call has changed its language by itself."""
        audio = self._session["audio"]
        if audio["input"]["transcription"] is not None:
            audio["input"]["transcription"]["language"] = change.language
        audio["output"]["voice"] = change.voice or "default"
        self._session["instructions"] = change.system_prompt
        self._base = self._in(change.language)
        self._config = _config(self._session, self._base)

    def _base_in(self, session: Json) -> CallConfig:
        """What is usual in the language that this session asks for."""
        transcription: Json = session["audio"]["input"]["transcription"] or {}
        asked, known = transcription.get("language"), self._languages
        tag = _language(asked, self._base.language, known.named if known else None)
        if tag == self._base.language:
            return self._base
        if not self.rights.language:
            raise not_permitted(_LANGUAGE)
        return self._in(tag)

    def _in(self, tag: str) -> CallConfig:
        """What is usual in this language."""
        if self._languages is None:
            return replace(self._base, language=tag)
        own = self._languages.of(tag)
        return replace(self._base, language=tag, voice=own.voice, system_prompt=own.system_prompt)

    def _check_offered(self, session: Json, config: CallConfig, path: str) -> None:
        """Refuse a language or a voice that is not there, by the name that was asked for."""
        if self._languages is None or _voiced(config) == _voiced(self._config):
            return
        spoken = config.spoken and not _only_transcribes(session)
        chosen = config.voice if config.voice != self._in(config.language).voice else ""
        try:
            self._languages.check(config.language, chosen, spoken=spoken)
        except NotOffered as why:
            param = _LANGUAGE if why.what == "language" else f"{path}.audio.output.voice"
            raise fields.not_allowed(param, why.value, why.allowed) from None

    def for_response(
        self, asked: Json, about: tuple[Message, ...] | None = None
    ) -> ResponseOptions:
        """The options of a response that a `response.create` asks for.

        `about` is the history in its `input`; None: the response is about the conversation.
        """
        fields.known(asked, _RESPONSE_FIELDS, "response")
        session = self._copy()
        changes = asked.keys() & {
            "instructions", "output_modalities", "tools", "tool_choice", "max_output_tokens",
            "temperature", "parallel_tool_calls",
        }  # fmt: skip
        session |= {name: asked[name] for name in changes if asked[name] is not None}
        if asked.get("audio") is not None:
            audio = fields.as_object(asked["audio"], "response.audio")
            output = fields.as_object(audio.get("output", {}), "response.audio.output")
            fields.known(audio, ("output",), "response.audio")
            _merge_output(session["audio"]["output"], output, "response.audio.output")
        config = _config(session, self._base, "response")
        check_config(config, self._base, self.rights, "response")
        self._check_offered(session, config, "response")
        return ResponseOptions(session, replace(config, asking=replace(config.asking, about=about)))


def _merge_audio(audio: Json, asked: Json) -> None:
    if asked.get("input") is not None:
        _merge_input(audio["input"], fields.as_object(asked["input"], "session.audio.input"))
    if asked.get("output") is not None:
        _merge_output(audio["output"], fields.as_object(asked["output"], "session.audio.output"))


def _merge_input(current: Json, asked: Json) -> None:
    path = "session.audio.input"
    fields.known(asked, _INPUT_FIELDS, path)
    if asked.get("format") is not None:
        current["format"] = _format(asked["format"], f"{path}.format")
    if "noise_reduction" in asked:
        current["noise_reduction"] = _noise_reduction(asked["noise_reduction"])
    if "transcription" in asked:
        current["transcription"] = _transcription(asked["transcription"], current["transcription"])
    if "turn_detection" in asked:
        current["turn_detection"] = turn_detection.checked(asked["turn_detection"])


def _merge_output(current: Json, asked: Json, path: str = "session.audio.output") -> None:
    fields.known(asked, _OUTPUT_FIELDS, path)
    if asked.get("format") is not None:
        current["format"] = _format(asked["format"], f"{path}.format")
    if asked.get("voice") is not None:
        current["voice"] = _voice_name(asked["voice"], f"{path}.voice")
    if asked.get("speed") is not None:
        current["speed"] = fields.as_number(asked["speed"], f"{path}.speed", 0.25, 1.5)


def _format(asked: Any, path: str) -> Json:
    given = fields.as_object(asked, path)
    kind = fields.one_of(given.get("type"), ("audio/pcm", *LAWS), f"{path}.type")
    if kind != "audio/pcm":
        return {"type": kind}
    if given.get("rate", RATE_HZ) != RATE_HZ:
        raise fields.not_allowed(f"{path}.rate", given["rate"], str(RATE_HZ))
    return {"type": kind, "rate": RATE_HZ}


def _noise_reduction(asked: Any) -> Json | None:
    """Check the setting: no noise is reduced, but it tells how near the microphone is."""
    if asked is None:
        return None
    path = "session.audio.input.noise_reduction"
    given = fields.as_object(asked, path)
    return {"type": fields.one_of(given.get("type"), ("near_field", "far_field"), f"{path}.type")}


def _transcription(asked: Any, current: Json | None) -> Json | None:
    if asked is None:
        return None
    path = "session.audio.input.transcription"
    given = fields.as_object(asked, path)
    if given.get("language"):
        language = fields.as_text(given["language"], f"{path}.language", 35)
        if not language.replace("-", "").isalnum():
            raise fields.not_allowed(f"{path}.language", language, "a tag such as 'en' or 'en-US'")
    merged = {**(current or {}), **given}
    fields.as_json(merged, path, _KEPT_CHARS)
    return merged


def _config(session: Json, base: CallConfig, path: str = "session") -> CallConfig:
    """The config of a call with this `session`; `base` has the values it does not set."""
    voice: str = session["audio"]["output"]["voice"]
    return replace(
        base,
        voice=base.voice if voice == "default" or voice in _CLOUD_VOICES else voice,
        system_prompt=fields.as_text(
            session["instructions"] or "", f"{path}.instructions", _PROMPT_CHARS
        ),
        spoken=_is_spoken(session["output_modalities"], path),
        line_echo=_line_echo(session["audio"]["input"], base.line_echo),
        turns=_turns_of(session),
        asking=_asking(session, path),
    )


def _voiced(config: CallConfig) -> tuple[str, str, bool]:
    return config.language, config.voice, config.spoken


def _line_echo(given: Json, default: LineEcho) -> LineEcho:
    """What comes back: next to nothing near a close microphone, or on a telephone line."""
    if given["noise_reduction"] == {"type": "near_field"}:
        return "cancelled"
    return "phone" if given["format"]["type"] in LAWS else default


def _asking(session: Json, path: str) -> ModelOptions:
    tools = _tools(session["tools"], path)
    return ModelOptions(
        temperature=_temperature(session.get("temperature"), path),
        max_tokens=_max_tokens(session["max_output_tokens"], path),
        tools=tools,
        tool_choice=_tool_choice(session["tool_choice"], tools, path),
        parallel_calls=_parallel_calls(session.get("parallel_tool_calls"), path),
        counts_tokens=True,
    )


def _language(asked: str | None, default: str, named: Callable[[str], str] | None) -> str:
    """The tag of a language that may lack its region, which the protocol's languages do."""
    if not asked or default == asked or primary_subtag(default) == asked:
        return default
    tag = named(asked) if named else asked
    return _DEFAULT_REGIONS.get(tag, tag)


def _voice_name(asked: Any, path: str) -> str:
    if isinstance(asked, dict):
        return fields.text(cast(Json, asked), "id", path, _NAME_CHARS)
    return fields.as_text(asked, path, _NAME_CHARS)


def _temperature(asked: Any, path: str) -> float | None:
    if asked is None:
        return None
    return fields.as_number(asked, f"{path}.temperature", 0, 2)


def _parallel_calls(asked: Any, path: str) -> bool:
    return asked is None or fields.as_flag(asked, f"{path}.parallel_tool_calls")


def _max_tokens(asked: Any, path: str) -> int | None:
    if asked is None or asked == "inf":
        return None
    most = fields.as_number(asked, f"{path}.max_output_tokens", 1, _MOST_TOKENS)
    if most != int(most):
        raise fields.not_allowed(f"{path}.max_output_tokens", asked, "whole numbers, or 'inf'")
    return int(most)


def _is_spoken(asked: Any, path: str) -> bool:
    if asked in (["audio"], ["audio", "text"], ["text", "audio"]):
        return True
    if asked == ["text"]:
        return False
    raise fields.not_allowed(f"{path}.output_modalities", asked, '["audio"] or ["text"]')


def _tools(asked: Any, path: str) -> tuple[Tool, ...]:
    given = fields.as_list(asked, f"{path}.tools")
    if len(given) > _MOST_TOOLS:
        raise fields.not_allowed(f"{path}.tools", len(given), f"at most {_MOST_TOOLS} tools")
    return tuple(_tool(tool, f"{path}.tools[{i}]") for i, tool in enumerate(given))


def _served_tools(asked: Any) -> tuple[Any, Sequence[BadEvent]]:
    """The tools without those of a remote server, and the refusals of these."""
    if not isinstance(asked, list):
        return asked, ()
    given = cast(list[Any], asked)
    remote = [n for n, tool in enumerate(given) if _is_remote(tool)]
    said = "tools of remote servers are not served; the rest of the update is."
    refused = [fields.unsupported(f"session.tools[{n}].type", said) for n in remote]
    return [tool for n, tool in enumerate(given) if n not in remote], refused


def _is_remote(tool: Any) -> bool:
    return isinstance(tool, dict) and cast(Json, tool).get("type") == "mcp"


def _tool(asked: Any, path: str) -> Tool:
    given = fields.as_object(asked, path)
    if given.get("type") != "function":
        raise fields.unsupported(f"{path}.type", "only 'function' tools are served.")
    nothing: Json = {"type": "object", "properties": {}}
    parameters = fields.as_object(given.get("parameters") or nothing, f"{path}.parameters")
    if len(str(parameters)) > _SCHEMA_CHARS:
        raise fields.not_allowed(f"{path}.parameters", "…", f"at most {_SCHEMA_CHARS} characters")
    return Tool(
        fields.text(given, "name", path, 64),
        fields.as_text(given.get("description") or "", f"{path}.description", _PROMPT_CHARS),
        parameters,
    )


def _tool_choice(asked: Any, tools: Sequence[Tool], path: str) -> str:
    """The tool choice for the chat model: "auto", "none", "required", or `=` and a name."""
    if isinstance(asked, dict):
        name = fields.text(cast(Json, asked), "name", f"{path}.tool_choice", 64)
        if name not in (tool.name for tool in tools):
            allowed = ", ".join(tool.name for tool in tools) or "none, as there are no tools"
            raise fields.not_allowed(f"{path}.tool_choice.name", name, allowed)
        return f"={name}"
    return fields.one_of(asked or "auto", ("auto", "none", "required"), f"{path}.tool_choice")


def _turns_of(session: Json) -> TurnOptions:
    turns = turn_detection.turns(session["audio"]["input"]["turn_detection"])
    return transcription_session.without_answers(turns) if _only_transcribes(session) else turns


def _only_transcribes(session: Json) -> bool:
    return session["type"] == transcription_session.KIND

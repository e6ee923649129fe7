"""The settings of the gateway: the name, default, limits and description of each.

Only this module reads the environment. The names are the same in the environment, in `.env`, in the
Helm values and in `docs/settings.md`, which is generated from this class.
"""

import re
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AliasChoices,
    DirectoryPath,
    Field,
    FilePath,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from voice_gateway.errors import without_credentials

VOICE_PROMPT = (
    "You are a friendly voice assistant. Your words are spoken aloud. Answer in one to three "
    "short, plain sentences. Never use lists, markdown, emoji, symbols or stage directions. "
    "Write numbers and units as words. If the question is unclear, ask back briefly."
)

RIGHTS = ("system_prompt", "voice", "language", "model_options", "tools")

_HIGHEST_PORT = 65_535
_SHORTEST_SECRET = 32
_URI = re.compile(r"(dns:///)?([^\s/:,]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})")
_HTTP_URL = re.compile(r"https?://[^\s/?#]+\S*")


def _is_uri(text: str) -> bool:
    found = _URI.fullmatch(text)
    return bool(found) and 0 < int(found[3]) <= _HIGHEST_PORT


def _is_http_url(text: str) -> bool:
    return bool(_HTTP_URL.fullmatch(text))


def _list_of(is_item: Callable[[str], bool], allowed: str) -> AfterValidator:
    """Checks each item of a list of addresses, which commas or spaces separate."""

    def check(text: str) -> str:
        items = text.replace(",", " ").split()
        wrong = next((each for each in items if not is_item(each)), None)
        if wrong is not None or not items:
            raise ValueError(f"{wrong or text!r} is not {allowed}, or a list of them")
        return text

    return AfterValidator(check)


Uris = Annotated[str, _list_of(_is_uri, "HOST:PORT, [IPV6]:PORT or dns:///NAME:PORT")]
HttpUrls = Annotated[str, _list_of(_is_http_url, "an http:// or https:// URL")]
Port = Annotated[int, Field(ge=0, le=_HIGHEST_PORT)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Milliseconds = Annotated[int, Field(ge=0, le=60_000)]
Probability = Annotated[float, Field(ge=0, le=1)]


class Settings(BaseSettings):
    """Read once at the start and handed down; a field's description is its documentation."""

    model_config = SettingsConfigDict(
        frozen=True,
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="forbid",
        populate_by_name=True,
    )

    grpc_host: str = Field(
        "",
        description=(
            "Address that callers connect to; empty: every one where a key is asked for or "
            "ALLOW_ANYONE is true, else this machine's own alone."
        ),
    )
    grpc_port: Port = Field(50051, description="Port for callers; 0 takes any free one.")
    http_host: str = Field(
        "", description="Address of the web page and the WebSocket; empty: as for GRPC_HOST."
    )
    http_port: Port = Field(
        8080,
        description=(
            "Port of the web page, `/v1/realtime`, `/metrics`, `/healthz` and `/readyz`; 0 takes "
            "any free one."
        ),
    )
    http_origins: str = Field(
        "",
        description=(
            "Web sites whose pages may call besides the gateway's own, as `https://a.example "
            "https://b.example`; `*`: all."
        ),
    )
    http_hosts: str = Field(
        "",
        description=(
            "Names that browsers reach the HTTP port by, as `voice.example.org`, besides "
            "`localhost` and addresses in figures; a page under another name may not call where "
            "no key is asked for. `*`: any."
        ),
    )
    internal_port: Port | None = Field(
        None,
        description=(
            "Port of `/metrics`, `/healthz` and `/readyz` without a key and without TLS, for the "
            "cluster alone; 0 takes any free one, empty: none."
        ),
    )
    allow_anyone: bool = Field(
        False, description="Serve whoever reaches the ports, where no key is asked for."
    )
    api_keys: SecretStr = Field(
        SecretStr(""),
        description=(
            "Keys that open a call, on both ports, separated by commas; each is a principal of its "
            "own. None here, in API_KEYS_FILE or by JWT_JWKS: no key is asked for."
        ),
    )
    api_keys_file: FilePath | None = Field(
        None,
        description=(
            "File of keys with names, limits and rights, as their SHA-256 (see docs/security.md), "
            "in TOML or JSON; read again when it changes."
        ),
    )
    jwt_jwks: str = Field(
        "",
        description=(
            "Public keys of those who sign JWTs that open a call: a JWKS file, or its https URL."
        ),
    )
    jwt_issuer: str = Field("", description="The `iss` that a JWT must have.")
    jwt_audience: str = Field("", description="The `aud` that a JWT must have.")
    token_secret: SecretStr = Field(
        SecretStr(""),
        description=(
            "Signs the tokens that `/v1/realtime/client_secrets` gives for browsers, at least 32 "
            "characters and the same for all gateways; empty: each makes its own at its start."
        ),
    )
    caller_may: str = Field(
        " ".join(RIGHTS),
        description=(
            "What of the operator's choices callers may replace, where a key's own entry does not "
            "say it; `none`: nothing."
        ),
    )
    tls_cert: FilePath | None = Field(
        None,
        description=(
            "Certificate chain (PEM) for TLS on both ports, with TLS_KEY; read again when it "
            "changes. Empty: no TLS."
        ),
    )
    tls_key: FilePath | None = Field(None, description="The private key of TLS_CERT (PEM).")
    tls_client_ca: FilePath | None = Field(
        None,
        description="CA (PEM) that must have signed the certificate of every client; empty: none.",
    )
    max_calls: int = Field(
        100, ge=1, le=100_000, description="Calls at once; one more gets RESOURCE_EXHAUSTED."
    )
    max_calls_per_principal: int = Field(
        0,
        ge=0,
        le=100_000,
        description="Calls at once of one who has a key; 0: as many as MAX_CALLS.",
    )
    max_calls_per_address: int = Field(
        0,
        ge=0,
        le=100_000,
        description=(
            "Calls at once of one address (of an IPv6 /64); 0: as many as MAX_CALLS. Behind a "
            "proxy all callers have its address, unless TRUSTED_PROXIES names it."
        ),
    )
    new_calls_per_s: float = Field(
        50,
        ge=0,
        le=10_000,
        description=(
            "New calls a second of one address, and of one who has a key; those of two seconds may "
            "come at once. 0: any number."
        ),
    )
    admit_by_load: bool = Field(
        True,
        description=(
            "Refuse calls also where the processor, the event loop, the recogniser or the "
            "end-of-turn network has no time for them; false: MAX_CALLS alone decides."
        ),
    )
    trusted_proxies: str = Field(
        "",
        description=(
            "Proxies whose `X-Forwarded-For` tells the caller's address, as `10.0.0.0/8 "
            "192.0.2.7`; empty: none."
        ),
    )
    requests_per_min: float = Field(
        120,
        ge=0,
        le=1_000_000,
        description=(
            "Answers that one call may ask for in a minute by text or events; 0: any number."
        ),
    )
    typed_chars_per_min: float = Field(
        240_000,
        ge=0,
        le=1e9,
        description="Characters that one call may send as text in a minute; 0: any number.",
    )
    audio_lead_s: Seconds = Field(
        120,
        description=(
            "Audio that a call may send faster than it is spoken; what follows is taken in real "
            "time."
        ),
    )
    call_silent_timeout_s: Seconds = Field(
        120,
        description=(
            "How long a call may go on in which no audio, no text and no request came yet; "
            "where all lines are taken, it goes after 5 s."
        ),
    )
    first_message_timeout_s: Seconds = Field(
        10, description="How long a new stream may stay without its first message."
    )
    call_idle_timeout_s: Seconds = Field(
        300, description="How long a call may go without any message from the caller."
    )
    call_max_s: Seconds = Field(14_400, description="The longest a call may last.")
    resume_window_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        30,
        description=(
            "How long a call waits for its client after the connection broke, if the client can "
            "go on with it; 0: not at all."
        ),
    )
    drain_s: Seconds = Field(
        20, description="How long running replies may go on after the gateway was told to stop."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="What is logged to standard error."
    )
    record_events_dir: DirectoryPath | None = Field(
        None,
        description=(
            "Folder for an event log of every call (see docs/guides/event-logs.md); it holds what "
            "callers say. Empty: none are written."
        ),
    )
    record_events_keep_s: float = Field(
        2_592_000.0,
        ge=0,
        le=315_360_000,
        description=(
            "Event logs that are older are deleted, in seconds: 30 days. 0: nothing deletes them."
        ),
    )

    riva_uri: Uris = Field(
        "localhost:50052",
        description=(
            "Riva's ASR and TTS, as HOST:PORT, or `dns:///NAME:PORT` for all addresses of a name; "
            "several with commas or spaces, which share the streams."
        ),
    )
    riva_asr_uri: Uris | None = Field(
        None, description="Riva's ASR, where it stands elsewhere; one or several."
    )
    riva_tts_uri: Uris | None = Field(
        None, description="Riva's TTS, where it stands elsewhere; one or several."
    )
    riva_tls: bool = Field(False, description="Talk TLS to Riva.")
    riva_tls_ca: FilePath | None = Field(
        None, description="File with the CA to trust; empty: the system's."
    )
    riva_api_key: SecretStr = Field(
        SecretStr(""), description="Bearer token sent to Riva (hosted Riva)."
    )
    riva_asr_function_id: str = Field("", description="`function-id` metadata for hosted ASR.")
    riva_tts_function_id: str = Field("", description="`function-id` metadata for hosted TTS.")

    riva_keepalive_s: float = Field(
        0,
        ge=0,
        le=7200,
        description=(
            "HTTP/2 pings to Riva after this long without traffic, so that a connection that went "
            "silent is noticed; 0: none, as many servers close a connection that pings often."
        ),
    )

    sample_rate: int = Field(
        16_000, ge=8_000, le=48_000, description="Hz of recognition, and of a call that names none."
    )
    asr_language: str = Field(
        "en-US",
        pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$",
        description="BCP-47 language of a call that names none; for recognition and voice.",
    )
    asr_model: str = Field("", description="Riva ASR model; empty: chosen by language and rate.")
    asr_punctuation: bool = Field(True, description="Ask Riva for automatic punctuation.")
    asr_stop_history_ms: Milliseconds = Field(
        480,
        multiple_of=80,
        description="Silence after which Riva ends an utterance; 0 leaves Riva's own (800).",
    )
    asr_force_eou: bool = Field(
        True,
        description="Ask Riva for its final words at the end of a turn; older Rivas ignore it.",
    )
    asr_stop_history_eou_ms: Milliseconds = Field(
        0, multiple_of=80, description="Riva's first-pass end of utterance; 0 leaves it off."
    )
    asr_timeout_s: float = Field(
        5, ge=0, le=600, description="Longest wait for Riva to answer audio; 0 waits for ever."
    )
    asr_keepalive_s: Seconds = Field(
        20, description="Silence is sent to Riva after this long without audio (Riva allows 60)."
    )

    tts_voice: str = Field("", description="Voice to answer with; empty: the voice server's own.")
    tts_timeout_s: Seconds = Field(10, description="Longest wait for a clause's next audio.")
    tts_normalise: bool = Field(
        True,
        description=(
            "Write numbers, dates, money, units, addresses and symbols out as words (English); "
            "false where the voice server does that itself."
        ),
    )
    tts_min_words: int = Field(
        1,
        ge=1,
        le=10,
        description="Fewest words given to the voice at once; 2 for voices that cut single words.",
    )
    tts_trim_ms: int = Field(
        300,
        ge=0,
        le=2_000,
        description=(
            "Most silence taken off the start of a clause's audio; 0 takes none, and none off the "
            "end of a clause that was cut in mid-sentence."
        ),
    )

    llm_base_url: HttpUrls = Field(
        "http://localhost:8000/v1",
        validation_alias=AliasChoices("LLM_BASE_URL", "LLM_SERVICE_URL"),
        description=(
            "OpenAI-style chat endpoint, or several with commas or spaces, which share the "
            "requests; LLM_SERVICE_URL is the same."
        ),
    )
    llm_model: str = Field("meta/llama-3.1-8b-instruct", min_length=1, description="Chat model.")
    llm_api_key: SecretStr = Field(SecretStr(""), description="Bearer key of the chat endpoint.")
    llm_temperature: float = Field(0.6, ge=0, le=2, description="Sampling temperature.")
    llm_max_tokens: int = Field(256, ge=1, le=8192, description="Longest reply, in tokens.")
    llm_context_tokens: int = Field(
        0,
        ge=0,
        le=10_000_000,
        description=(
            "The chat model's context size: the oldest turns of a call go where it would be "
            "exceeded. 0: what the endpoint tells, else 16384, or less after a refusal. Ollama "
            "tells nothing and refuses nothing: set what it was given there."
        ),
    )
    llm_warm_up: bool = Field(
        True, description="Have the model read SYSTEM_PROMPT before the first caller comes."
    )
    llm_connect_timeout_s: Seconds = Field(3, description="Longest wait for a connection.")
    llm_first_token_timeout_s: Seconds = Field(15, description="Longest wait for the first text.")
    llm_token_timeout_s: Seconds = Field(10, description="Longest wait for each further text.")
    system_prompt: str = Field(
        VOICE_PROMPT, max_length=8000, description="What the model is told before each call."
    )

    turn_detection: Literal["voice", "asr"] = Field(
        "voice",
        description="What ends a turn: the caller's voice and words, or the recogniser alone.",
    )
    turn_silence_ms: Milliseconds = Field(
        300, description="Silence that ends a turn whose words and voice sound finished."
    )
    turn_unsure_silence_ms: Milliseconds = Field(
        600, description="Silence that ends a turn that may go on or not."
    )
    turn_open_silence_ms: Milliseconds = Field(
        1_200,
        description='Silence that ends a turn whose words, "I want to", or voice ask for more.',
    )
    turn_halting_silence_ms: Milliseconds = Field(
        2_000, description="Silence that ends a turn whose words and voice both ask for more."
    )
    turn_end_model: Literal["on", "off"] = Field(
        "on",
        description=(
            "Predict the end of turn from the caller's voice: 30 ms of CPU, at most three times in "
            "each pause."
        ),
    )
    turn_end_likely: Probability = Field(
        0.75,
        description=(
            "End-of-turn probability, of words and voice together, from which on a turn sounds "
            "finished."
        ),
    )
    turn_end_unlikely: Probability = Field(
        0.5,
        description=(
            "End-of-turn probability, of words and voice together, below which a turn goes on."
        ),
    )
    turn_final_wait_ms: Milliseconds = Field(
        700, description="How long the recogniser may take over final words it was asked for."
    )
    turn_late_wait_ms: Milliseconds = Field(
        6_000,
        description=(
            "How long a turn waits for a recogniser that is behind the caller; then SAY_AGAIN is "
            "said."
        ),
    )
    say_again: str = Field(
        "",
        max_length=500,
        description=(
            "Text said when the recogniser did not give what the caller said; empty: the "
            "language's own, `Sorry, I did not catch that. Please say it again.`"
        ),
    )
    turn_reopen_ms: Milliseconds = Field(
        1_000,
        description="A caller who speaks on this soon after its turn was taken had not finished.",
    )
    turn_guesses: int = Field(
        3, ge=0, le=20, description="How often an answer may be prepared before its turn is over."
    )
    turn_settle_ms: Milliseconds = Field(
        0, description="Wait after final words, where no voice activity is known."
    )
    turn_max_silence_ms: Milliseconds = Field(
        3_000, description="Interim words without a final become the turn after this long."
    )
    interrupt_min_words: int = Field(
        1, ge=1, le=20, description="Words during a reply that make an interruption."
    )
    interrupt_voice_ms: Milliseconds = Field(
        1_000,
        description=(
            "Voice during a reply that is taken for speech without words: they are asked for, and "
            "waited for, before the reply goes on; 0: never."
        ),
    )
    interrupt_pauses: int = Field(
        2,
        ge=0,
        le=100,
        description="How often a reply pauses for a sound that was nothing; 0: it never pauses.",
    )
    interrupt_resume_ms: Milliseconds = Field(
        500, description="A paused reply goes on after this much silence without words."
    )
    line_echo: Literal["auto", "none", "loudspeaker"] = Field(
        "auto",
        description=(
            "What callers' microphones pick up of the replies, where a client does not say it: "
            "nothing (`none`: headsets), the `loudspeaker`, or what the sound of each call shows "
            "(`auto`)."
        ),
    )
    greeting: str = Field("", max_length=2000, description="Text said when a call begins.")
    greeting_firm: bool = Field(
        False, description="The greeting cannot be interrupted; what is said meanwhile is answered."
    )
    idle_prompt_s: float = Field(
        0, ge=0, le=3600, description="Silence after which IDLE_PROMPT is said, once; 0: never."
    )
    idle_prompt: str = Field(
        "Are you still there?",
        min_length=1,
        max_length=500,
        description="Text said into a long silence.",
    )
    idle_end_s: float = Field(
        0,
        ge=0,
        le=3600,
        description="Silence (after IDLE_PROMPT, if any) after which the call ends; 0: never.",
    )
    idle_goodbye: str = Field(
        "Goodbye.",
        max_length=500,
        description="Text said before silence ends a call; may be empty.",
    )
    apology: str = Field(
        "",
        max_length=200,
        description=(
            "Text said where a reply fails, so that no caller hears silence; empty: the language's "
            "own, `Sorry, something went wrong. Please ask me again.`; `off`: none is said."
        ),
    )
    memory_turns: int = Field(
        20, ge=1, le=1000, description="Turns of the call that the model is reminded of."
    )
    call_state_url: SecretStr = Field(
        SecretStr(""),
        description=(
            "Redis that keeps what was said in calls that name a `conversation_id`, as "
            "`redis://:PASSWORD@HOST:6379/0` (`rediss://`: TLS); empty: this process keeps it."
        ),
    )
    call_state_keep_s: Seconds = Field(
        600,
        description=(
            "How long what was said is kept for the next call of its `conversation_id`, from the "
            "last turn or the end of the call."
        ),
    )
    playback_lead_ms: Milliseconds = Field(
        300, ge=60, description="How far audio is sent ahead of the caller's loudspeaker."
    )

    @field_validator("api_keys")
    @classmethod
    def _some_key(cls, keys: SecretStr) -> SecretStr:
        text = keys.get_secret_value()
        if text and not text.replace(",", " ").split():
            raise ValueError("it holds no key; allowed: keys with commas between them, or empty")
        return keys

    @field_validator("jwt_jwks")
    @classmethod
    def _a_jwks(cls, where: str) -> str:
        if where and not (_is_jwks_url(where) or ("://" not in where and Path(where).is_file())):
            raise ValueError("allowed: an https:// URL, a file that is there, or empty")
        return where

    @field_validator("token_secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr) -> SecretStr:
        if 0 < len(secret.get_secret_value()) < _SHORTEST_SECRET:
            raise ValueError(f"allowed: at least {_SHORTEST_SECRET} characters, or empty")
        return secret

    @field_validator("caller_may")
    @classmethod
    def _rights(cls, text: str) -> str:
        wrong = next((each for each in _words(text) if each not in RIGHTS), None)
        if wrong not in (None, "none") or (wrong and len(_words(text)) > 1):
            allowed = ", ".join(RIGHTS)
            raise ValueError(f"{wrong!r} is none of {allowed}; allowed: some of them, or none")
        return text

    @model_validator(mode="after")
    def _what_belongs_together(self) -> Self:
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("TLS_CERT and TLS_KEY are set together, or neither is")
        if self.tls_client_ca and not self.tls_cert:
            raise ValueError("TLS_CLIENT_CA needs TLS_CERT and TLS_KEY")
        if self.jwt_jwks and not (self.jwt_issuer and self.jwt_audience):
            raise ValueError("JWT_JWKS needs JWT_ISSUER and JWT_AUDIENCE")
        for name, host in (("GRPC_HOST", self.grpc_host), ("HTTP_HOST", self.http_host)):
            if host and not is_loopback(host) and self.is_open():
                raise ValueError(
                    f"{name} is {host!r}, and nobody is asked for a key: set API_KEYS, "
                    "API_KEYS_FILE or JWT_JWKS, or ALLOW_ANYONE=true to serve whoever comes"
                )
        return self

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, text: str) -> str:
        for each in text.replace(",", " ").split():
            try:
                ip_network(each)
            except ValueError:
                raise ValueError(
                    f"{each!r} is no address and no network; allowed: 192.0.2.7, 10.0.0.0/8, "
                    "2001:db8::/32, or a list of them"
                ) from None
        return text

    @field_validator("call_state_url")
    @classmethod
    def _a_redis_url(cls, url: SecretStr) -> SecretStr:
        if url.get_secret_value() and not _is_redis_url(url.get_secret_value()):
            raise ValueError("allowed: redis://HOST:PORT/DATABASE, rediss:// for TLS, or empty")
        return url

    def asks_keys(self) -> bool:
        """Whether callers must show who they are."""
        return bool(self.api_keys.get_secret_value() or self.api_keys_file or self.jwt_jwks)

    def is_open(self) -> bool:
        """Whether whoever reaches the ports may call, and the operator has not said so."""
        return not (self.asks_keys() or self.tls_client_ca or self.allow_anyone)

    def serves_strangers(self) -> bool:
        """Whether whoever reaches a port that others than this machine reach may call."""
        if self.asks_keys() or self.tls_client_ca:
            return False
        hosts = (self.grpc_host, self.http_host)
        return any(not is_loopback(self.bound_host(host)) for host in hosts)

    def bound_host(self, host: str) -> str:
        """What GRPC_HOST or HTTP_HOST stands for."""
        return host or ("127.0.0.1" if self.is_open() else "0.0.0.0")

    def rights(self) -> frozenset[str]:
        """What callers may replace."""
        return frozenset(_words(self.caller_may)) - {"none"}

    def secrets(self) -> list[str]:
        """The keys and passwords that no log line may show."""
        hidden = [value.get_secret_value() for _, value in self if isinstance(value, SecretStr)]
        urls = map(urlsplit, (self.llm_base_url, self.call_state_url.get_secret_value()))
        keys = self.api_keys.get_secret_value().split(",")
        return list(filter(None, [*hidden, *map(str.strip, keys), *(u.password for u in urls)]))

    def asr_uri(self) -> str:
        return self.riva_asr_uri or self.riva_uri

    def tts_uri(self) -> str:
        return self.riva_tts_uri or self.riva_uri


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches this host."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _is_jwks_url(url: str) -> bool:
    """Whether nobody can change what is fetched from it: by https, or from this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    own = parts.scheme == "http" and is_loopback(parts.hostname or "")
    return bool(parts.hostname) and (parts.scheme == "https" or own)


def _is_redis_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port  # it raises where this is no number
    except ValueError:
        return False
    database = parts.path.strip("/")
    named = parts.scheme in ("redis", "rediss") and bool(parts.hostname) and port != 0
    return named and (database.isdecimal() or not database)


_MOST_SHOWN, _MOST_SAID = 120, 400  # characters of a wrong value, and of what is wrong with it


class BadSetting(Exception):
    """A setting that stops the start; the text names it, its value and what is allowed."""


def read_settings() -> Settings:
    """Read the environment and `.env`; raises BadSetting for the first setting that is wrong."""
    try:
        return Settings()  # pyright: ignore[reportCallIssue]  # every field has a default
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        if not name:  # settings that do not go together, which are named in the text
            raise BadSetting(first["msg"].removeprefix("Value error, ")) from None
        if first["type"] == "extra_forbidden":
            raise BadSetting(f"{_cut(name)} in .env is no setting; see docs/settings.md") from None
        field = Settings.model_fields.get(name.lower())
        secret = field and field.annotation is SecretStr
        shown = "(secret)" if secret else _cut(without_credentials(repr(first["input"])))
        wrong = without_credentials(first["msg"].removeprefix("Value error, "))
        raise BadSetting(f"{_cut(name)} is {shown}: {_cut(wrong, _MOST_SAID)}") from None


def _cut(text: str, most: int = _MOST_SHOWN) -> str:
    """The text, whose end is left out where it is too long to be read in one look."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"

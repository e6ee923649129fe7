"""The settings of the services behind the gateway: recognition, voice and the chat model."""

from collections.abc import Mapping

from pydantic import AliasChoices, Field, FilePath, SecretStr, field_validator
from pydantic_settings import BaseSettings

from voice_gateway.settings.language_table import LanguageRow, rows, table_schema
from voice_gateway.settings.value_types import HttpUrls, Milliseconds, Seconds, Uris


class UpstreamServices(BaseSettings):
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
    languages: str = Field(
        "",
        description=(
            "The languages that the gateway serves beside ASR_LANGUAGE, as `hi-IN, de-DE`, or as "
            'JSON with what is special about each: `{"hi-IN": {"tts_voice": "NAME"}}` '
            "(docs/guides/languages.md). Callers may change between them within a call. Empty: a "
            "call stays in the language that it begins in, which may be any that Riva serves."
        ),
        json_schema_extra=table_schema,
    )
    language_tool: bool = Field(
        True,
        description=(
            "Give the model a tool that changes the call's language where the caller asks for "
            "it, if there are several LANGUAGES."
        ),
    )
    language_follows: bool = Field(
        True,
        description=(
            "Change the call's language with what the recogniser reports that the caller speaks, "
            "if that is one of several LANGUAGES."
        ),
    )
    asr_model: str = Field(
        "",
        description=(
            "Riva ASR model, that of ASR_LANGUAGE where there are LANGUAGES; empty: chosen by "
            "language and rate."
        ),
    )
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

    tts_voice: str = Field(
        "", description="Voice to answer with in ASR_LANGUAGE; empty: the voice server's own."
    )
    tts_timeout_s: Seconds = Field(10, description="Longest wait for a clause's next audio.")
    tts_normalise: bool = Field(
        True,
        description=(
            "Write numbers, dates, money, units, addresses and symbols out as words (English and "
            "Hindi); false where the voice server does that itself, and better."
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
        "",
        max_length=8000,
        description=(
            "What the model is told before each call; empty: the language's own. In a call that is "
            "in another language than ASR_LANGUAGE, it is also told to answer in that."
        ),
    )

    def asr_uri(self) -> str:
        return self.riva_asr_uri or self.riva_uri

    def tts_uri(self) -> str:
        return self.riva_tts_uri or self.riva_uri

    def language_rows(self) -> Mapping[str, LanguageRow]:
        """What is set for each language of LANGUAGES; that of ASR_LANGUAGE is written as there."""
        usual = self.asr_language
        named = rows(self.languages).items()
        return {usual if tag.lower() == usual.lower() else tag: row for tag, row in named}

    @field_validator("languages")
    @classmethod
    def _a_table(cls, text: str) -> str:
        rows(text)
        return text

"""The settings of the services behind the gateway: recognition, voice and the chat model."""

from pydantic import AliasChoices, Field, FilePath, SecretStr
from pydantic_settings import BaseSettings

from voice_gateway.settings.value_types import HttpUrls, Milliseconds, Seconds, Uris

VOICE_PROMPT = (
    "You are a friendly voice assistant. Your words are spoken aloud. Answer in one to three "
    "short, plain sentences. Never use lists, markdown, emoji, symbols or stage directions. "
    "Write numbers and units as words. If the question is unclear, ask back briefly."
)


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
        VOICE_PROMPT, max_length=8000, description="What the model is told before each call."
    )

    def asr_uri(self) -> str:
        return self.riva_asr_uri or self.riva_uri

    def tts_uri(self) -> str:
        return self.riva_tts_uri or self.riva_uri

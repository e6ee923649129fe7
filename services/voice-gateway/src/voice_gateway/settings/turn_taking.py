"""The settings of turns and interruptions, of what the gateway says by itself, and of memory."""

from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from voice_gateway.settings.value_types import Milliseconds, Probability, Seconds, is_redis_url


class TurnTaking(BaseSettings):
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
        "",
        max_length=500,
        description=(
            "Text said into a long silence; empty: the language's own, `Are you still there?`"
        ),
    )
    idle_end_s: float = Field(
        0,
        ge=0,
        le=3600,
        description="Silence (after IDLE_PROMPT, if any) after which the call ends; 0: never.",
    )
    idle_goodbye: str = Field(
        "",
        max_length=500,
        description=(
            "Text said before silence ends a call; empty: the language's own, `Goodbye.`; `off`: "
            "none is said."
        ),
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

    @field_validator("call_state_url")
    @classmethod
    def _a_redis_url(cls, url: SecretStr) -> SecretStr:
        if url.get_secret_value() and not is_redis_url(url.get_secret_value()):
            raise ValueError("allowed: redis://HOST:PORT/DATABASE, rediss:// for TLS, or empty")
        return url

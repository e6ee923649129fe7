"""The settings of what calls may cost and how long they last, and of what is kept of them."""

from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import DirectoryPath, Field, field_validator
from pydantic_settings import BaseSettings

from voice_gateway.settings.value_types import Seconds


class CallBounds(BaseSettings):
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

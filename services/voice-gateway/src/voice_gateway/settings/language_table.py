"""The table of LANGUAGES: what is set for each language that the gateway serves."""

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_MOST_LANGUAGES = 32
_LOWEST_HZ = 8_000


class LanguageRow(BaseModel):
    """What is special about one language; what is left out is as usual."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    asr_language: str = Field(
        "", max_length=35, description="The recogniser's code for it; empty: its tag."
    )
    asr_model: str = Field(
        "", max_length=200, description="Riva ASR model; empty: chosen by language and rate."
    )
    asr_rate_hz: int = Field(
        0, ge=0, le=48_000, description="Hz of its recognition; 0: SAMPLE_RATE."
    )
    tts_language: str = Field(
        "", max_length=35, description="The voice server's code for it; empty: its tag."
    )
    tts_voice: str = Field(
        "", max_length=128, description="Voice to answer with; empty: the voice server's own."
    )
    tts_normalise: bool | None = Field(None, description="As TTS_NORMALISE, for this language.")
    system_prompt: str = Field(
        "", max_length=8000, description="As SYSTEM_PROMPT, in this language."
    )
    greeting: str = Field("", max_length=2000, description="As GREETING, in this language.")
    idle_prompt: str = Field("", max_length=500, description="As IDLE_PROMPT, in this language.")
    idle_goodbye: str = Field("", max_length=500, description="As IDLE_GOODBYE, in this language.")

    @field_validator("asr_rate_hz")
    @classmethod
    def _a_rate(cls, rate_hz: int) -> int:
        if 0 < rate_hz < _LOWEST_HZ:
            raise ValueError(f"it is {rate_hz}; allowed: {_LOWEST_HZ} to 48000, or 0")
        return rate_hz


def rows(text: str) -> Mapping[str, LanguageRow]:
    """Read a list of tags, or a JSON object by tag; raises ValueError that says what is wrong."""
    table: Mapping[str, object] = (
        _object(text) if text.lstrip().startswith("{") else {tag: {} for tag in _listed(text)}
    )
    if len(table) > _MOST_LANGUAGES:
        raise ValueError(f"{len(table)} languages; allowed: at most {_MOST_LANGUAGES}")
    return {tag: _row(tag, row) for tag, row in table.items()}


def table_schema(schema: dict[str, Any]) -> None:
    """Describe the table as an object, as which charts give it."""
    row = LanguageRow.model_json_schema()
    properties = cast("dict[str, dict[str, Any]]", row["properties"])
    for field in properties.values():
        field.update(field.pop("anyOf", [{}])[0])
        for said in ("title", "default"):
            field.pop(said, None)
    schema["type"] = "object"
    schema["additionalProperties"] = {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }


def _listed(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _object(text: str) -> Mapping[str, object]:
    try:
        return cast("dict[str, object]", json.loads(text))
    except ValueError as error:
        raise ValueError(
            f'it is no JSON: {error}; allowed: hi-IN, de-DE or {{"hi-IN": {{"tts_voice": "V"}}}}'
        ) from None


def _row(tag: str, row: object) -> LanguageRow:
    if not _TAG.fullmatch(tag):
        raise ValueError(f"{tag!r} is no language; allowed: BCP-47 tags, such as hi-IN")
    try:
        return LanguageRow.model_validate(row)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join([tag, *map(str, first["loc"])])
        wrong = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            wrong = f"is not allowed; allowed: {', '.join(LanguageRow.model_fields)}"
        raise ValueError(f"{where}: {wrong}") from None

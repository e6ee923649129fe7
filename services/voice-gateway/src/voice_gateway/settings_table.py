"""Writes `docs/settings.md` from the settings: `python -m voice_gateway.settings_table`."""

import sys
from typing import Any

from pydantic import AliasChoices, SecretStr
from pydantic.fields import FieldInfo

from voice_gateway.command_line import OneLineParser
from voice_gateway.settings import Settings

_HEAD = """# Settings

Read once at the start, from the environment or from a `.env` file beside the process. A value that
is not allowed, or a name in `.env` that is no setting, stops the start with one line.

This page is generated: `uv run python -m voice_gateway.settings_table > docs/settings.md`.

| setting | default | what it does |
|---|---|---|
"""


def table() -> str:
    """The text of `docs/settings.md`."""
    rows = (_row(name, field) for name, field in Settings.model_fields.items())
    return _HEAD + "".join(rows)


def _row(name: str, field: FieldInfo) -> str:
    return f"| `{_setting(name, field)}` | {_default(field.default)} | {field.description} |\n"


def _setting(name: str, field: FieldInfo) -> str:
    alias = field.validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else name.upper()


def _default(value: Any) -> str:
    if isinstance(value, SecretStr) or value in ("", None):
        return "empty"
    text = str(value)
    return f"`{text}`" if len(text) <= 60 else f"“{text}”"


if __name__ == "__main__":
    OneLineParser("python -m voice_gateway.settings_table", __doc__).parse_args()
    sys.stdout.write(table())

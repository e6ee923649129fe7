"""The settings of the gateway: the name, default, limits and description of each.

Only this room reads the environment. The names are the same in the environment, in `.env`, in the
Helm values and in `docs/settings.md`, which is generated from the class.
"""

import os
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict

from voice_gateway.errors import without_credentials
from voice_gateway.settings.call_bounds import CallBounds
from voice_gateway.settings.former_names import HEIRS, under_former_names
from voice_gateway.settings.ports_and_keys import PortsAndKeys
from voice_gateway.settings.turn_taking import TurnTaking
from voice_gateway.settings.upstream_services import UpstreamServices
from voice_gateway.settings.value_types import is_loopback

__all__ = ["BadSetting", "Settings", "is_loopback", "read_settings"]


class Settings(TurnTaking, UpstreamServices, CallBounds, PortsAndKeys):
    """Read once at the start and handed down; a field's description is its documentation.

    The last of the classes comes first in the documentation.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="forbid",
        populate_by_name=True,
    )

    def secrets(self) -> list[str]:
        """The keys and passwords that no log line may show."""
        hidden = [value.get_secret_value() for _, value in self if isinstance(value, SecretStr)]
        urls = map(urlsplit, (self.llm_base_url, self.call_state_url.get_secret_value()))
        keys = self.api_keys.get_secret_value().split(",")
        return list(filter(None, [*hidden, *map(str.strip, keys), *(u.password for u in urls)]))


_MOST_SHOWN, _MOST_SAID = 120, 400  # characters of a wrong value, and of what is wrong with it


class BadSetting(Exception):
    """A setting that stops the start; the text names it, its value and what is allowed."""


def read_settings() -> Settings:
    """Read the environment and `.env`; raises BadSetting for the first setting that is wrong."""
    try:
        former = under_former_names(os.environ)  # noqa: TID251  # this is the room that may
        return Settings(**former)  # pyright: ignore[reportArgumentType]  # every field has a default
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        if not name:  # settings that do not go together, which are named in the text
            raise BadSetting(first["msg"].removeprefix("Value error, ")) from None
        if first["type"] == "extra_forbidden":
            heir = f"it is {HEIRS[name]} now; " if name in HEIRS else ""
            said = f"{_cut(name)} in .env is no setting; {heir}see docs/settings.md"
            raise BadSetting(said) from None
        field = Settings.model_fields.get(name.lower())
        secret = field and field.annotation is SecretStr
        shown = "(secret)" if secret else _cut(without_credentials(repr(first["input"])))
        wrong = without_credentials(first["msg"].removeprefix("Value error, "))
        raise BadSetting(f"{_cut(name)} is {shown}: {_cut(wrong, _MOST_SAID)}") from None


def _cut(text: str, most: int = _MOST_SHOWN) -> str:
    """The text, whose end is left out where it is too long to be read in one look."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"

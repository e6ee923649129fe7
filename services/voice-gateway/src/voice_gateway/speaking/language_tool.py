"""The tool by which the model changes the language of a call, as its caller asks for."""

import json
from collections.abc import Mapping
from typing import Protocol, cast

from voice_gateway.conversation import Message, ToolCall
from voice_gateway.language import primary_subtag
from voice_gateway.messages import CallConfig, Tool

NAME = "speak_language"


class LanguageChange(Protocol):
    """What a reply may change of its call's language."""

    def offered(self, config: CallConfig) -> Mapping[str, str]:
        """The languages of such a call by tag, with their names; fewer than two: it has no choice.

        The one that the call is in is among them.
        """
        ...

    def to(self, config: CallConfig, tag: str) -> CallConfig:
        """Change the language, and return the reply's config from now on; raises ServiceError."""
        ...


def language_tool(config: CallConfig, offered: Mapping[str, str]) -> Tool | None:
    """The tool for the model; None: there is no choice, or the caller's program has its own."""
    asking = config.asking
    names = {tool.name for tool in asking.tools}
    if len(offered) < 2 or asking.tool_choice != "auto" or NAME in names:
        return None
    named = ", ".join(f"{tag} ({name})" for tag, name in offered.items())
    said = (
        f"Change the language of this call. Use it only when the caller asks to speak another "
        f"language. There are: {named}. The call is in {config.language} now."
    )
    language = {"type": "string", "enum": list(offered)}
    parameters = {"type": "object", "properties": {"language": language}, "required": ["language"]}
    return Tool(NAME, said, parameters)


def wanted(call: ToolCall, offered: Mapping[str, str]) -> str:
    """The tag that the model named, by tag or by name; empty where it is none of those."""
    try:
        arguments = json.loads(call.arguments)
    except ValueError:
        return ""
    given = cast("dict[str, object]", arguments) if isinstance(arguments, dict) else {}
    asked = str(given.get("language", "")).lower()
    for tag, name in offered.items():
        if asked in (tag.lower(), name.lower(), primary_subtag(tag)):
            return tag
    return ""


def told(call: ToolCall, written: str, output: str) -> tuple[Message, Message]:
    """What the model is reminded of as it goes on: its call, and what came of it."""
    asked = Message("assistant", written.strip(), calls=(call,))
    return asked, Message("tool", output, call_id=call.call_id)

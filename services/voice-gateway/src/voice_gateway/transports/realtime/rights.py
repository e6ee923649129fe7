"""Keeps a client to what its operator lets it replace; anything else is refused by its name."""

from collections.abc import Iterable

from voice_gateway.conversation import Message
from voice_gateway.messages import CallConfig
from voice_gateway.principals import Rights
from voice_gateway.transports.realtime.fields import BadEvent


def check_config(asked: CallConfig, usual: CallConfig, rights: Rights, path: str) -> None:
    """Refuse what differs from the usual, and is the operator's alone; raises BadEvent."""
    audio, options = f"{path}.audio", asked.asking
    language = f"{audio}.input.transcription.language"
    for param, may, replaced in (
        (f"{path}.instructions", rights.system_prompt, asked.system_prompt != usual.system_prompt),
        (f"{audio}.output.voice", rights.voice, asked.voice != usual.voice),
        (language, rights.language, asked.language != usual.language),
        (f"{path}.temperature", rights.model_options, options.temperature is not None),
        (f"{path}.max_output_tokens", rights.model_options, options.max_tokens is not None),
        (f"{path}.tools", rights.tools, bool(options.tools)),
        (f"{path}.tool_choice", rights.tools, options.tool_choice != "auto"),
    ):
        if replaced and not may:
            raise not_permitted(param)


def check_messages(messages: Iterable[Message], rights: Rights, param: str) -> None:
    """Refuse a system message from who may not replace the system prompt; raises BadEvent."""
    if not rights.system_prompt and any(message.role == "system" for message in messages):
        raise not_permitted(param)


def not_permitted(param: str) -> BadEvent:
    said = f"'{param}' may not be chosen by this client; leave it out."
    return BadEvent("not_permitted", said, param)

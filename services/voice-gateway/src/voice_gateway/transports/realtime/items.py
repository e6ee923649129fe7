"""The conversation's items as the client knows them: their order, ids and contents."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal, cast

from voice_gateway.conversation import Message, ToolCall
from voice_gateway.conversation.state import answer_name, question_name
from voice_gateway.transports.realtime import fields
from voice_gateway.transports.realtime.fields import BadEvent, Json

_MOST_TEXT = 16_000  # characters of one item; the model's memory is shorter
_MOST_ITEMS = 2000  # the oldest are forgotten then, as the model has long done
_MESSAGE = frozenset("id object type status role content".split())
_CALL = frozenset("id object type status name call_id arguments".split())
_OUTPUT = frozenset("id object type status call_id output".split())
_TEXTS = {
    "user": ("input_text", "input_audio"),
    "assistant": ("output_text", "output_audio"),
    "system": ("input_text",),
}


@dataclass
class Item:
    """One item, and what of the call it stands for."""

    wire: Json
    reply: int = 0
    """The reply it is the answer of, or the question to; 0: the client made it."""
    sent_s: float = 0.0
    """How much audio of it was sent."""

    @property
    def id(self) -> str:
        return self.wire["id"]

    @property
    def name(self) -> str:
        """What the conversation knows its message by."""
        if not self.reply:
            return self.id
        asks = self.wire.get("role") == "user"
        return question_name(self.reply) if asks else answer_name(self.reply)


class Items:
    """In order; ids are the client's own or made by `new_id`."""

    def __init__(self, new_id: Callable[[str], str]) -> None:
        self._new_id = new_id
        self._items: dict[str, Item] = {}

    @property
    def last_id(self) -> str | None:
        return next(reversed(self._items), None)

    def add(self, wire: Json, reply: int = 0) -> tuple[Item, str | None]:
        """Append an item; return it, and the id of the one before it."""
        before = self.last_id
        item = Item({"object": "realtime.item", "status": "completed", **wire}, reply)
        item.wire.setdefault("id", self._new_id("item"))
        self._items[item.id] = item
        if len(self._items) > _MOST_ITEMS:
            del self._items[next(iter(self._items))]
        return item, before

    def find(self, item_id: str, doing: str) -> Item:
        """Raises BadEvent, which says what was to be done with it."""
        if item_id not in self._items:
            raise BadEvent(
                f"item_{doing}_invalid_item_id",
                f"Error {doing[:-1]}ing item: the item with id '{item_id[:64]}' does not exist.",
                "item_id",
            )
        return self._items[item_id]

    def before(self, item_id: str) -> str | None:
        """The id of the item before this one."""
        earlier: str | None = None
        for known in self._items:
            if known == item_id:
                break
            earlier = known
        return earlier

    def remove(self, item_id: str) -> Item:
        item = self.find(item_id, "delete")
        del self._items[item_id]
        return item

    def check_place(self, after: object) -> None:
        """Whether an item may be added after this one: the last, or none named."""
        if after in (None, self.last_id) or (after == "root" and not self._items):
            return
        name = fields.as_text(after, "previous_item_id", 256)
        if name != "root":
            self.find(name, "create")
        raise fields.unsupported("previous_item_id", "items are added at the end only.")

    def check_new(self, wire: Json) -> None:
        if wire.get("id") in self._items:
            raise BadEvent(
                "item_create_duplicate_item_id",
                f"An item with id '{wire['id'][:64]}' exists already.",
                "item.id",
            )


def shown(wire: Json) -> Json:
    """A copy for an event: what is sent must not change after it."""
    return deepcopy(wire)


def checked(asked: Json) -> tuple[Json, Message]:
    """A client's item, and what it adds to the conversation; raises BadEvent."""
    kind = fields.one_of(
        asked.get("type", ""), ("message", "function_call", "function_call_output"), "item.type"
    )
    if asked.get("id") is not None:
        fields.as_text(asked["id"], "item.id", 64)
    if kind == "message":
        return _message(asked)
    return _call(asked) if kind == "function_call" else _output(asked)


def _message(asked: Json) -> tuple[Json, Message]:
    fields.known(asked, _MESSAGE, "item")
    role = fields.one_of(asked.get("role", ""), _TEXTS, "item.role")
    parts = [
        _part(fields.as_object(part, f"item.content[{i}]"), role, f"item.content[{i}]")
        for i, part in enumerate(fields.as_list(asked.get("content"), "item.content"))
    ]
    text = " ".join(filter(None, (_words(part) for part in parts)))
    fields.as_text(text, "item.content", _MOST_TEXT)
    wire = {**_named(asked), "type": "message", "role": role, "content": parts}
    return wire, Message(cast(Literal["user", "assistant", "system"], role), text)


def _part(given: Json, role: str, path: str) -> Json:
    kind = given.get("type")
    if kind == "input_image":
        raise fields.unsupported(f"{path}.type", "the model sees no images.")
    kind = fields.one_of(kind, _TEXTS[role], f"{path}.type")
    if not kind.endswith("_audio"):
        return {"type": kind, "text": fields.as_text(given.get("text"), f"{path}.text", _MOST_TEXT)}
    if not given.get("transcript"):
        raise fields.unsupported(
            path, "audio comes through input_audio_buffer.append; an item needs a transcript."
        )
    spoken = fields.as_text(given["transcript"], f"{path}.transcript", _MOST_TEXT)
    return {"type": kind, "transcript": spoken}


def _words(part: Json) -> str:
    return (part.get("text") or part.get("transcript") or "").strip()


def _call(asked: Json) -> tuple[Json, Message]:
    fields.known(asked, _CALL, "item")
    call = ToolCall(
        fields.text(asked, "call_id", "item"),
        fields.text(asked, "name", "item"),
        fields.as_text(asked.get("arguments") or "{}", "item.arguments", _MOST_TEXT),
    )
    return {**_named(asked), **call_item(call)}, Message("assistant", "", calls=(call,))


def _output(asked: Json) -> tuple[Json, Message]:
    fields.known(asked, _OUTPUT, "item")
    call_id = fields.text(asked, "call_id", "item")
    output = fields.as_text(asked.get("output", ""), "item.output", _MOST_TEXT)
    wire = {"type": "function_call_output", "call_id": call_id, "output": output}
    return {**_named(asked), **wire}, Message("tool", output, call_id=call_id)


def _named(asked: Json) -> Json:
    return {"id": asked["id"]} if asked.get("id") else {}


def call_item(call: ToolCall) -> Json:
    return {
        "type": "function_call",
        "name": call.name,
        "call_id": call.call_id,
        "arguments": call.arguments,
    }


def spoken_question(transcript: str) -> Json:
    """The caller's turn: its audio is not kept, its words are."""
    content = [{"type": "input_audio", "transcript": transcript}]
    return {"type": "message", "role": "user", "content": content}


def answer(content: Sequence[Json], status: str) -> Json:
    return {"type": "message", "role": "assistant", "status": status, "content": list(content)}

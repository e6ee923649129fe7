"""Owns the conversation's items as the client knows them: their order, ids and contents."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from voice_gateway.conversation import Message, ToolCall
from voice_gateway.conversation.history import answer_name, question_name
from voice_gateway.transports.realtime import fields
from voice_gateway.transports.realtime.fields import BadEvent, Json
from voice_gateway.transports.realtime.frames import MOST_ITEM_AUDIO_CHARS

_MOST_TEXT_CHARS = 16_000  # in one item; the model's memory is shorter
_MOST_INPUT_ITEMS = 256  # in one response's `input`
_MOST_ITEMS = 2000  # beyond that the oldest are dropped, which the model's memory no longer has
_MOST_CHARS = 400_000  # of all items, beyond which the oldest are dropped, too
_MOST_PARTS = 256  # in one item
Role = Literal["user", "assistant", "system"]
_MESSAGE_FIELDS = frozenset("id object type status role content".split())
_CALL_FIELDS = frozenset("id object type status name call_id arguments".split())
_OUTPUT_FIELDS = frozenset("id object type status call_id output".split())
_PART_TYPES = {
    "user": ("input_text", "input_audio"),
    "assistant": ("output_text", "output_audio"),
    "system": ("input_text",),
}


@dataclass
class Item:
    """One item, and the reply that it belongs to."""

    wire: Json
    reply: int = 0
    """The reply whose answer or question it is; 0: the client made it."""
    sent_s: float = 0.0
    """Seconds of its audio that were sent."""
    chars: int = 0
    """Characters that its client wrote."""

    @property
    def id(self) -> str:
        return self.wire["id"]

    def shorten(self, heard_s: float) -> None:
        """Shorten the transcript to the share that was heard; the call's memory is exact."""
        share = heard_s / self.sent_s if self.sent_s else 0.0
        for part in self.wire["content"]:
            if words := part.get("transcript", "").split():
                part["transcript"] = " ".join(words[: int(len(words) * share)])

    @property
    def name(self) -> str:
        """The name of its message in the conversation."""
        if not self.reply:
            return self.id
        asks = self.wire.get("role") == "user"
        return question_name(self.reply) if asks else answer_name(self.reply)


class Items:
    """The items in order; ids are the client's own or made by `new_id`."""

    def __init__(self, new_id: Callable[[str], str]) -> None:
        self._new_id = new_id
        self._items: dict[str, Item] = {}
        self._chars = 0

    @property
    def last_id(self) -> str | None:
        return next(reversed(self._items), None)

    def add(
        self, wire: Json, reply: int = 0, *, after: str | None = None
    ) -> tuple[Item, str | None]:
        """Add an item behind the one of id `after`, "root" for the start, None for the end.

        Return it, and the id of the one before it.
        """
        before = self.last_id if after is None else None if after == "root" else after
        item = self.make(wire, reply)
        following = self._behind(before)
        for each in following:
            del self._items[each.id]
        self._items |= {each.id: each for each in (item, *following)}
        self._chars += item.chars
        while len(self._items) > _MOST_ITEMS or (
            len(self._items) > 1 and self._chars > _MOST_CHARS
        ):
            self._take_out(next(iter(self._items)))
        return item, before

    def _take_out(self, item_id: str) -> None:
        self._chars -= self._items.pop(item_id).chars

    def _behind(self, before: str | None) -> list[Item]:
        """The items behind the one of this id; None: all."""
        if before == self.last_id:
            return []
        ids = list(self._items)
        return [self._items[each] for each in ids[ids.index(before) + 1 if before else 0 :]]

    def told_before(self, before: str | None) -> str:
        """The name of the nearest message, up to the item of this id; empty: there is none."""
        name = ""
        for each in self._items.values() if before else ():
            name = each.name if says(_message_of(each.wire)) else name
            if each.id == before:
                break
        return name

    def make(self, wire: Json, reply: int = 0) -> Item:
        """Make an item that is in no conversation yet."""
        item = Item({"object": "realtime.item", "status": "completed", **wire}, reply)
        item.chars = 0 if reply else _chars(wire)
        item.wire.setdefault("id", self._new_id("item"))
        return item

    def history(self) -> tuple[Message, ...]:
        """The client's conversation as a history for the model."""
        return _joined(_message_of(item.wire) for item in self._items.values())

    def asked_about(self, asked: Any) -> tuple[Message, ...]:
        """A response's `input` as a history: items, or references to items of this conversation."""
        given = fields.as_list(asked, "response.input")
        if len(given) > _MOST_INPUT_ITEMS:
            most = f"at most {_MOST_INPUT_ITEMS} items"
            raise fields.not_allowed("response.input", len(given), most)
        paths = (f"response.input[{i}]" for i in range(len(given)))
        return _joined(self._referred(part, path) for part, path in zip(given, paths, strict=False))

    def _referred(self, part: Any, path: str) -> Message:
        given = fields.as_object(part, path)
        if given.get("type") != "item_reference":
            wire, message = checked(given, path)
            if any("audio" in part for part in wire.get("content", ())):
                raise fields.unsupported(path, "audio of an input needs a transcript.")
            return message
        item_id = fields.text(given, "id", path)
        if item_id not in self._items:
            raise fields.not_allowed(f"{path}.id", item_id, "the id of an item that stands here")
        return _message_of(self._items[item_id].wire)

    def find(self, item_id: str, doing: str) -> Item:
        """Find an item; raises BadEvent, which says what was to be done with it."""
        if item_id not in self._items:
            raise BadEvent(
                f"item_{doing}_invalid_item_id",
                f"Error {doing[:-1]}ing item: the item with id '{item_id[:64]}' does not exist.",
                "item_id",
            )
        return self._items[item_id]

    def check_call(self, wire: Json) -> None:
        """Raise BadEvent where a function's output is for a call that does not stand here."""
        calls = (each.wire for each in self._items.values() if each.wire["type"] == "function_call")
        if wire["type"] != "function_call_output":
            return
        if not any(call["call_id"] == wire["call_id"] for call in calls):
            allowed = "the call_id of a function call that stands here"
            raise fields.not_allowed("item.call_id", wire["call_id"], allowed)

    def asked(self, reply: int) -> Item | None:
        """The caller's turn that this reply answers; None: a client's message, or none at all."""
        own = (item for item in reversed(self._items.values()) if item.reply == reply)
        return next((item for item in own if item.wire.get("role") == "user"), None)

    def shares_turn(self, item: Item) -> bool:
        """Whether other items hold words of the turn that this one belongs to."""
        same = (each for each in self._items.values() if each.reply and each.name == item.name)
        return any(each is not item for each in same)

    def holds(self, item: Item) -> bool:
        return self._items.get(item.id) is item

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
        self._take_out(item_id)
        return item

    def discard(self, item: Item) -> bool:
        """Remove an item that may be gone already; return whether it was there."""
        if item.id not in self._items:
            return False
        self._take_out(item.id)
        return True

    def place(self, asked: object) -> str | None:
        """The place that a `previous_item_id` asks for, as `add` takes it; raises BadEvent."""
        if asked is None:
            return None
        name = fields.as_text(asked, "previous_item_id", 256)
        if name != "root":
            self.find(name, "create")
        return name if name != self.last_id else None

    def check_new(self, wire: Json) -> None:
        if wire.get("id") in self._items:
            raise BadEvent(
                "item_create_duplicate_item_id",
                f"An item with id '{wire['id'][:64]}' exists already.",
                "item.id",
            )


def message_of(item: Item) -> Message:
    """The item as a message of the conversation, which may be empty."""
    return replace(_message_of(item.wire), name=item.id)


def shown(wire: Json) -> Json:
    """Copy an item for an event, which must not change later."""
    if "content" not in wire:
        return dict(wire)
    return {**wire, "content": [dict(part) for part in wire["content"]]}


def untranscribed(wire: Json) -> Json:
    """A turn of the caller as the protocol shows it first: its transcript is told by an event."""
    return {**wire, "content": [{**part, "transcript": None} for part in wire["content"]]}


def checked(asked: Json, path: str = "item") -> tuple[Json, Message]:
    """Check a client's item; return it with its message. Raises BadEvent."""
    kind = fields.one_of(
        asked.get("type", ""), ("message", "function_call", "function_call_output"), f"{path}.type"
    )
    if asked.get("id") is not None:
        fields.as_text(asked["id"], f"{path}.id", 64)
    if kind == "message":
        return _message(asked, path)
    return _call(asked, path) if kind == "function_call" else _output(asked, path)


def _message(asked: Json, path: str) -> tuple[Json, Message]:
    fields.known(asked, _MESSAGE_FIELDS, path)
    role = fields.one_of(asked.get("role", ""), _PART_TYPES, f"{path}.role")
    given = fields.as_list(asked.get("content"), f"{path}.content")
    if len(given) > _MOST_PARTS:
        raise fields.not_allowed(f"{path}.content", len(given), f"at most {_MOST_PARTS} parts")
    parts = [
        _part(fields.as_object(part, f"{path}.content[{i}]"), role, f"{path}.content[{i}]")
        for i, part in enumerate(given)
        if not _is_image_beside_text(part, given)
    ]
    text = _words(parts)
    fields.as_text(text, f"{path}.content", _MOST_TEXT_CHARS)
    wire = {**_named(asked), "type": "message", "role": role, "content": parts}
    return wire, Message(cast(Role, role), text)


def _is_image_beside_text(part: Any, given: Sequence[Any]) -> bool:
    """Whether it is an image, which the model does not see, and the message says something else."""
    return _is_image(part) and not all(map(_is_image, given))


def _is_image(part: Any) -> bool:
    return isinstance(part, dict) and cast(Json, part).get("type") == "input_image"


def _part(given: Json, role: str, path: str) -> Json:
    kind = given.get("type")
    if kind == "input_image":
        raise fields.unsupported(f"{path}.type", "the model sees no images.")
    kind = fields.one_of(kind, _PART_TYPES[role], f"{path}.type")
    if not kind.endswith("_audio"):
        return {
            "type": kind,
            "text": fields.as_text(given.get("text"), f"{path}.text", _MOST_TEXT_CHARS),
        }
    if not given.get("transcript"):
        return _clip(given, kind, path)
    transcript = fields.as_text(given["transcript"], f"{path}.transcript", _MOST_TEXT_CHARS)
    return {"type": kind, "transcript": transcript}


def _clip(given: Json, kind: str, path: str) -> Json:
    """A part that has audio and no words yet; only those of a caller are found out."""
    if kind != "input_audio":
        raise fields.unsupported(path, "what was answered needs a transcript.")
    audio = fields.text(given, "audio", path, MOST_ITEM_AUDIO_CHARS)
    return {"type": kind, "transcript": None, "audio": audio}


def _words(parts: Sequence[Json]) -> str:
    texts = (part.get("text") or part.get("transcript") or "" for part in parts)
    return " ".join(filter(None, map(str.strip, texts)))


def _call(asked: Json, path: str) -> tuple[Json, Message]:
    fields.known(asked, _CALL_FIELDS, path)
    call = ToolCall(
        fields.text(asked, "call_id", path),
        fields.text(asked, "name", path),
        fields.as_text(asked.get("arguments") or "{}", f"{path}.arguments", _MOST_TEXT_CHARS),
    )
    return {**_named(asked), **call_item(call)}, Message("assistant", "", calls=(call,))


def _output(asked: Json, path: str) -> tuple[Json, Message]:
    fields.known(asked, _OUTPUT_FIELDS, path)
    call_id = fields.text(asked, "call_id", path)
    output = fields.as_text(asked.get("output", ""), f"{path}.output", _MOST_TEXT_CHARS)
    wire = {"type": "function_call_output", "call_id": call_id, "output": output}
    return {**_named(asked), **wire}, Message("tool", output, call_id=call_id)


def _named(asked: Json) -> Json:
    return {"id": asked["id"]} if asked.get("id") else {}


def _joined(messages: Iterable[Message]) -> tuple[Message, ...]:
    """A history for the model, without empty messages."""
    return tuple(filter(says, messages))


def _chars(wire: Json) -> int:
    texts = (wire.get("output", ""), wire.get("arguments", ""), _words(wire.get("content", ())))
    return sum(map(len, texts))


def says(message: Message) -> bool:
    return bool(message.text or message.calls or message.call_id)


def _message_of(wire: Json) -> Message:
    """The message of an item, which may be empty."""
    match wire["type"]:
        case "function_call":
            return _call(wire, "item")[1]
        case "function_call_output":
            return _output(wire, "item")[1]
        case _:
            cut_off = wire["role"] == "assistant" and wire["status"] == "incomplete"
            return Message(wire["role"], _words(wire["content"]), interrupted=cut_off)


def call_item(call: ToolCall) -> Json:
    return {
        "type": "function_call",
        "name": call.name,
        "call_id": call.call_id,
        "arguments": call.arguments,
    }


def spoken_question(transcript: str) -> Json:
    """The item of a caller's turn: its transcript is kept, its audio is not."""
    content = [{"type": "input_audio", "transcript": transcript}]
    return {"type": "message", "role": "user", "content": content}


def answer(content: Sequence[Json], status: str) -> Json:
    return {"type": "message", "role": "assistant", "status": status, "content": list(content)}

"""What one Realtime call is in the middle of: the caller's open turn, the live response."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from voice_gateway.errors import ServiceError
from voice_gateway.messages import Transcript
from voice_gateway.transports.realtime.fields import Json
from voice_gateway.transports.realtime.items import Item, Items
from voice_gateway.transports.realtime.session_options import ResponseOptions, SessionOptions, Sound
from voice_gateway.transports.realtime.sound import Hearing, Speaking

Events = list[Json]


def random_id(kind: str) -> str:
    return f"{kind}_{uuid4().hex[:20]}"


@dataclass
class OpenTurn:
    """What the caller is saying, until it becomes an item."""

    item_id: str
    announced: bool = False
    """The client was told that speech began."""
    finals: list[str] = field(default_factory=list[str])
    murmur: str = ""

    def absorb(self, heard: Transcript) -> None:
        text = heard.text.strip()
        if heard.final:
            self.finals.append(text)
        self.murmur = "" if heard.final else text

    @property
    def transcript(self) -> str:
        return " ".join(filter(None, (*self.finals, self.murmur)))


@dataclass
class Asked:
    """A `response.create` that is not under way yet: what its response is to carry."""

    metadata: Json | None = None
    options: ResponseOptions | None = None
    """How it is to be made; None: as the session says."""


@dataclass
class Response:
    """One response: the wire's name for a reply."""

    number: int
    """Its reply; below zero where it is out of band, and no reply of the conversation."""
    id: str
    options: ResponseOptions
    speaking: Speaking
    metadata: Json | None
    item: Item | None = None
    """The message, once it has begun."""
    text: str = ""
    pieces: int = 0
    output: list[Item] = field(default_factory=list[Item])
    fault: ServiceError | None = None

    @property
    def spoken(self) -> bool:
        return self.options.config.spoken

    @property
    def out_of_band(self) -> bool:
        return self.number < 0

    @property
    def content(self) -> Json:
        if self.spoken:
            return {"type": "output_audio", "transcript": self.text}
        return {"type": "output_text", "text": self.text}


@dataclass
class State:
    """Shared by what comes in and what goes out."""

    options: SessionOptions
    extended: bool = False
    """The client understands our own events besides the protocol's."""
    new_id: Callable[[str], str] = random_id
    hearing: Hearing = field(default_factory=lambda: Hearing("audio/pcm"))
    heard_s: float = 0.0
    """How much audio came in."""
    uncommitted_s: float = 0.0
    turn: OpenTurn | None = None
    awaiting: Item | None = None
    """A turn the client committed by hand, whose final words have not come yet."""
    asked: Asked | None = None
    response: Response | None = None
    late: Transcript | None = None
    """What was heard last while the response was under way; it may turn out to interrupt it."""
    out_of_band: dict[int, Response] = field(default_factory=dict[int, Response])
    """Those that are under way, by their numbers."""
    begun_out_of_band: int = 0
    cancelling: bool = False
    """The client itself has asked for the end of the live response."""

    def __post_init__(self) -> None:
        self.items = Items(self.new_id)
        self.conversation_id = self.new_id("conv")

    @property
    def heard_ms(self) -> int:
        return round(self.heard_s * 1000)

    def event(self, kind: str, values: Mapping[str, Any] | None = None, /, **more: Any) -> Json:
        return {"type": kind, "event_id": self.new_id("event"), **(values or {}), **more}

    def open_turn(self) -> OpenTurn:
        if self.turn is None:
            self.turn = OpenTurn(self.new_id("item"))
        return self.turn

    def hear(self, sound: Sound) -> None:
        if self.hearing.sound != sound:
            self.hearing = Hearing(sound)

    def begin_response(self, number: int) -> Response:
        asked, self.asked = self.asked or Asked(), None
        self.response = self._response(number, asked)
        return self.response

    def begin_out_of_band(self, asked: Asked) -> Response:
        self.begun_out_of_band += 1
        response = self._response(-self.begun_out_of_band, asked)
        self.out_of_band[response.number] = response
        return response

    def _response(self, number: int, asked: Asked) -> Response:
        options = asked.options or self.options.response
        speaking = Speaking(options.speaks)
        return Response(number, self.new_id("resp"), options, speaking, asked.metadata)

    def live(self, reply: int) -> Response | None:
        """The response that is under way for this reply."""
        if reply < 0:
            return self.out_of_band.get(reply)
        return self.response if self.response and self.response.number == reply else None

    def end(self, response: Response) -> None:
        """It is over."""
        if response.out_of_band:
            del self.out_of_band[response.number]
        else:
            self.response = self.late = None

"""Owns the state of one Realtime call: the caller's open turn, and the live response."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from voice_gateway.audio import g711
from voice_gateway.errors import ServiceError
from voice_gateway.messages import FromCaller, Transcript
from voice_gateway.transports.realtime.fields import Json
from voice_gateway.transports.realtime.items import Item, Items
from voice_gateway.transports.realtime.session_options import (
    LAWS,
    RATE_HZ,
    ResponseOptions,
    SessionOptions,
    Sound,
)
from voice_gateway.transports.realtime.sound import AudioDecoder, AudioEncoder

Events = list[Json]

_AWAITING = 256  # committed utterances whose finals are to come; older ones get none
_TAKEN_BACK = 16  # a client learns of a deletion before as many follow


def random_id(kind: str) -> str:
    return f"{kind}_{uuid4().hex[:20]}"


@dataclass
class OpenTurn:
    """The caller's turn, until it becomes an item."""

    item_id: str
    announced: bool = False
    """Whether the client was told that speech began."""
    finals: list[str] = field(default_factory=list[str])
    interim: str = ""
    whole: str = ""
    """All words of a turn that goes on after it was taken too early."""

    def absorb(self, transcript: Transcript) -> None:
        text = transcript.text.strip()
        self.whole = transcript.turn or self.whole
        if transcript.final:
            self.finals.append(text)
        self.interim = "" if transcript.final else text

    @property
    def transcript(self) -> str:
        return self.whole or " ".join(filter(None, (*self.finals, self.interim)))


@dataclass
class Committed:
    """A turn that the client committed; its final comes later."""

    item: Item
    turn: OpenTurn
    end_s: float
    """Where it ends in the caller audio."""
    deleted: bool = False
    """Whether the client has deleted its item; its words are to be forgotten."""


@dataclass(frozen=True, slots=True)
class Clip:
    """The audio of a part of an item, of which the words are to be found."""

    index: int
    audio: str = field(repr=False)
    """In base64."""
    sound: Sound
    language: str

    @property
    def seconds(self) -> float:
        bytes_per_s = g711.RATE_HZ if self.sound in LAWS else 2 * RATE_HZ
        return len(self.audio) * 3 / 4 / bytes_per_s


@dataclass
class Asked:
    """What a `response.create` asked for, until its response begins."""

    metadata: Json | None = None
    options: ResponseOptions | None = None
    """How the response is made; None: as the session says."""
    number: int = 0
    """The client's requests count from 1; 0: it is out of band."""
    cancelled: bool = False
    """Whether the client wants it no more, although it has not begun."""


@dataclass
class Response:
    """One response, which is the protocol's name for a reply."""

    number: int
    """The number of its reply; below zero if it is out of band."""
    id: str
    options: ResponseOptions
    encoder: AudioEncoder
    metadata: Json | None
    item: Item | None = None
    """The response's message, once it has begun."""
    text: str = ""
    apology: str = ""
    """What was said of its failure; the conversation's item has only the answer's own text."""
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
    """The state that inbound and outbound share."""

    options: SessionOptions
    extended: bool = False
    """Whether the client wants our own events, besides the protocol's."""
    new_id: Callable[[str], str] = random_id
    decoder: AudioDecoder = field(default_factory=lambda: AudioDecoder("audio/pcm"))
    received_s: float = 0.0
    """Seconds of caller audio that came in."""
    uncommitted_s: float = 0.0
    turn: OpenTurn | None = None
    awaiting: deque[Committed] = field(default_factory=lambda: deque[Committed](maxlen=_AWAITING))
    """What the client committed faster than it was recognised, in order."""
    unanswered: list[Committed] = field(default_factory=list[Committed])
    """What the client committed since a reply began; no reply has taken their words."""
    for_call: list[FromCaller] = field(default_factory=list[FromCaller])
    """What the front asks of the call by itself."""
    asked: deque[Asked] = field(default_factory=deque[Asked])
    """The requests whose responses have not begun; all but the last are cancelled."""
    requests: int = 0
    response: Response | None = None
    during_response: Transcript | None = None
    """The last transcript during the response; it may turn out to interrupt it."""
    out_of_band: dict[int, Response] = field(default_factory=dict[int, Response])
    """The out-of-band responses under way, by their numbers."""
    begun_out_of_band: int = 0
    cancelling: bool = False
    """Whether the client has asked for the end of the live response."""
    admit_clips: Callable[[Sequence[Clip]], None] = lambda _clips: None
    """Raises BadEvent where the client may not send these."""
    taken_back: deque[str] = field(default_factory=lambda: deque[str](maxlen=_TAKEN_BACK))
    """The newest items that the gateway deleted; a client may not know it yet."""

    def __post_init__(self) -> None:
        self.items = Items(self.new_id)
        self.conversation_id = self.new_id("conv")

    @property
    def received_ms(self) -> int:
        return round(self.received_s * 1000)

    def event(self, kind: str, values: Mapping[str, Any] | None = None, /, **more: Any) -> Json:
        return {"type": kind, "event_id": self.new_id("event"), **(values or {}), **more}

    def open_turn(self) -> OpenTurn:
        if self.turn is None:
            self.turn = OpenTurn(self.new_id("item"))
        return self.turn

    def decode(self, sound: Sound) -> None:
        """Decode the caller audio from this format from now on."""
        if self.decoder.sound != sound:
            self.decoder = AudioDecoder(sound)

    def begin_response(self, number: int) -> Response:
        asked = self.asked.popleft() if self.asked else Asked()
        self.cancelling = asked.cancelled
        self.response = self._response(number, asked)
        return self.response

    def begin_out_of_band(self, asked: Asked) -> Response:
        self.begun_out_of_band += 1
        response = self._response(-self.begun_out_of_band, asked)
        self.out_of_band[response.number] = response
        return response

    def _response(self, number: int, asked: Asked) -> Response:
        options = asked.options or self.options.response
        encoder = AudioEncoder(options.output_format)
        return Response(number, self.new_id("resp"), options, encoder, asked.metadata)

    def ask(self, asked: Asked) -> None:
        """Note a request for a response to the conversation."""
        self.requests += 1
        self.asked.append(replace(asked, number=self.requests))

    @property
    def answering(self) -> str:
        """The id of the response that a client still waits for; empty: there is none."""
        if self.asked and not self.asked[-1].cancelled:
            return "the one just asked for"
        return self.response.id if self.response and not self.cancelling else ""

    def live(self, reply: int) -> Response | None:
        """The response of this reply, if it is under way."""
        if reply < 0:
            return self.out_of_band.get(reply)
        return self.response if self.response and self.response.number == reply else None

    def end(self, response: Response) -> None:
        """Note that the response is over."""
        if response.out_of_band:
            del self.out_of_band[response.number]
        else:
            self.response = self.during_response = None

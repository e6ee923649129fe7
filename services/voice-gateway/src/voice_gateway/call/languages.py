"""The languages that calls may be in: how each is set up, and what the services offer of it.

    the table   what is configured: a voice and a prompt for each language
    the offer   what the recogniser and the voice server listed when they were last looked at

A service that has not listed anything yet is taken to offer all there is.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.errors import NotPermitted
from voice_gateway.language import language_of, primary_subtag
from voice_gateway.messages import CallConfig, Changed

_ANY = "multi"  # what a recogniser lists that tells languages apart by itself
_MOST_LISTED = 40  # names in one error text
_MOST_SHOWN = 40  # characters of what was asked for
_SURE_WORDS = 3  # of a final, after which the language that the recogniser reports is believed


@dataclass(frozen=True, slots=True)
class CallLanguage:
    """How the calls in one language are made."""

    tag: str
    asr_code: str = ""
    """The recogniser's code for it; empty: its tag."""
    asr_model: str = ""
    asr_rate_hz: int = 0
    tts_code: str = ""
    """The voice server's code for it; empty: its tag."""
    voice: str = ""
    system_prompt: str = ""
    greeting: str = ""
    idle_prompt: str = ""
    goodbye: str = ""

    @property
    def stream(self) -> tuple[str, str, int]:
        """What its recognition stream is asked for."""
        return self.asr_code or self.tag, self.asr_model, self.asr_rate_hz

    @property
    def name(self) -> str:
        """What a model or a log calls it."""
        return language_of(self.tag).name or self.tag


class NotOffered(Exception):
    """A language or a voice that is not there; the text says which are."""

    def __init__(self, what: str, value: str, allowed: str) -> None:
        super().__init__(f"{value[:_MOST_SHOWN]!r}, which is not offered; allowed: {allowed}")
        self.what = what
        """"language" or "voice"."""
        self.value = value
        self.allowed = allowed


def _nothing() -> Sequence[str]:
    return ()


def _no_voices() -> Mapping[str, Sequence[str]]:
    return {}


@dataclass(frozen=True, slots=True)
class Offer:
    """What the services listed when they were last looked at; empty: nothing yet."""

    recognised: Callable[[], Collection[str]] = _nothing
    voices: Callable[[], Mapping[str, Sequence[str]]] = _no_voices
    """The voices of each language."""


@dataclass(frozen=True)
class Languages:
    """The languages of a gateway; `make` sets one up that is not in the table."""

    table: Mapping[str, CallLanguage]
    """By tag; the first is that of calls that name none."""
    make: Callable[[str], CallLanguage]
    offer: Offer = field(default_factory=Offer)
    closed: bool = False
    """Calls are in no other languages than those of the table."""
    has_tool: bool = True
    """The model may change the language, where there are several."""
    follows: bool = True
    """What the recogniser reports changes it, where there are several."""

    def of(self, tag: str) -> CallLanguage:
        return self.table.get(tag) or self.make(tag)

    def named(self, asked: str) -> str:
        """The tag of the language that was asked for, which may lack its region."""
        known = (*self.table, *(() if self.closed else self.offer.recognised()))
        for tag in known:
            if tag.lower() == asked.lower():
                return tag
        if "-" in asked:
            return asked
        return next((tag for tag in known if primary_subtag(tag) == asked.lower()), asked)

    def offered(self) -> list[str]:
        """The languages that can be both heard and spoken now."""
        listed = self.offer.recognised()
        tags = list(self.table)
        if not self.closed:
            tags += [tag for tag in sorted(listed) if tag not in self.table and tag != _ANY]
        return [tag for tag in tags if self._is_offered(tag)]

    def voices(self, tag: str) -> Sequence[str]:
        """The voices that speak this language, as far as is known."""
        return _served(self.offer.voices(), self.of(tag).tts_code or tag)

    def check(self, language: str, voice: str, *, spoken: bool = True) -> None:
        """Raise NotOffered for a language that is not there, or a voice that does not speak it.

        An empty voice is the language's own. `spoken`: it needs a voice at all.
        """
        if not self._is_offered(language, spoken=spoken):
            raise NotOffered("language", language, _listed(self.offered()))
        voices = self.voices(language) if spoken else ()
        if voice and voices and not any(_names(voice, each) for each in voices):
            allowed = f"for {language} {_listed(voices)}, or empty"
            raise NotOffered("voice", voice, allowed)

    def moved(self, config: CallConfig, tag: str) -> CallConfig:
        """The config of a call that goes on in another language.

        A prompt of the caller's own stays, and has the model answer in that language.
        """
        if tag == config.language:
            return config
        before, after = self.of(config.language), self.of(tag)
        prompt = after.system_prompt
        if config.system_prompt != before.system_prompt:
            own = config.system_prompt.removesuffix(_answer_in(config.language)).rstrip()
            prompt = f"{own} {_answer_in(tag)}".strip()
        return replace(config, language=tag, voice=after.voice, system_prompt=prompt)

    def changed(self, config: CallConfig, asked: Changed) -> CallConfig:
        """The config after a caller's change within the call; raises NotOffered, NotPermitted."""
        if asked.rate_hz not in (0, config.rate_hz):
            allowed = f"{config.rate_hz}, with which the call began, or 0"
            raise NotOffered("rate", str(asked.rate_hz), allowed)
        tag = self.named(asked.language) if asked.language else config.language
        rights = config.rights
        for field_name, changes, may in (
            ("language_code", tag != config.language, rights.language),
            ("voice_name", bool(asked.voice), rights.voice),
            ("system_prompt", bool(asked.system_prompt), rights.system_prompt),
        ):
            if changes and not may:
                raise NotPermitted(f"config.{field_name} may not be chosen by this caller")
        self.check(tag, asked.voice)
        moved = self.moved(config, tag)
        return replace(
            moved,
            voice=asked.voice or moved.voice,
            system_prompt=asked.system_prompt or moved.system_prompt,
        )

    def choices(self, config: CallConfig) -> Mapping[str, str]:
        """The languages that the model may change such a call to, by tag, with their names."""
        tags = self.open_to(config) if self.has_tool else ()
        return {tag: self.of(tag).name for tag in tags}

    def open_to(self, config: CallConfig) -> Sequence[str]:
        """The languages that such a call may change to without its client."""
        if len(self.table) < 2 or not config.rights.language:
            return ()
        return [tag for tag in self.table if self._is_offered(tag)]

    def policy(self, usual: TurnPolicy, tag: str) -> TurnPolicy:
        """The turn-taking of a call in this language: its word lists, and what is said unasked."""
        language = self.of(tag)
        return replace(
            usual,
            language=tag,
            greeting=language.greeting,
            idle_prompt=language.idle_prompt or usual.idle_prompt,
            goodbye=language.goodbye,
        )

    def same_stream(self, one: str, other: str) -> bool:
        """Whether one recognition stream is good for both languages."""
        return self.of(one).stream == self.of(other).stream

    def reported(self, code: str, config: CallConfig) -> str:
        """The language that the recogniser reports, where the call may change to it; or empty.

        The code that it was asked for says nothing: most recognisers just repeat it.
        """
        current = config.language
        if not self.follows or code.lower() == (self.of(current).asr_code or current).lower():
            return ""
        tag = self.named(code)
        other = primary_subtag(tag) != primary_subtag(current)
        return tag if other and tag in self.open_to(config) else ""

    def missing(self) -> list[str]:
        """What of the table the services do not offer, a sentence each."""
        said: list[str] = []
        for tag, language in self.table.items():
            try:
                self.check(tag, language.voice)
            except NotOffered as why:
                said.append(f"{tag}: {why.what} {why}")
        return said

    def _is_offered(self, tag: str, *, spoken: bool = True) -> bool:
        if self.closed and tag not in self.table:
            return False
        language = self.of(tag)
        if not _has(self.offer.recognised(), language.asr_code or tag):
            return False
        return not spoken or _has(self.offer.voices(), language.tts_code or tag)


class Reported:
    """Believes what the recogniser reports of the caller's language, when it is sure."""

    def __init__(self) -> None:
        self._tag = ""

    def believed(self, tag: str, text: str) -> bool:
        """Whether to change to this language, after a final of it; an empty tag is no other."""
        again, self._tag = bool(tag) and tag == self._tag, tag
        return bool(tag) and (again or len(text.split()) >= _SURE_WORDS)


def _has(listed: Collection[str], code: str) -> bool:
    """Whether a service serves this code, by what it listed; one without a region serves all."""
    if not listed or "" in listed or _ANY in listed:
        return True
    known = {each.lower() for each in listed}
    return code.lower() in known or primary_subtag(code) in known


def _served(voices: Mapping[str, Sequence[str]], code: str) -> Sequence[str]:
    by_code = {each.lower(): names for each, names in voices.items()}
    return by_code.get(code.lower()) or by_code.get(primary_subtag(code)) or by_code.get("") or ()


def _names(asked: str, listed: str) -> bool:
    """Whether this names a listed voice, the model that it is of, or a mood of it."""
    return asked == listed or listed.startswith(f"{asked}.") or asked.startswith(f"{listed}.")


def _answer_in(tag: str) -> str:
    return language_of(tag).answer_in


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return (", ".join(names[:_MOST_LISTED]) or "none now") + more

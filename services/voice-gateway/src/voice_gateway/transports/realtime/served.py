"""Owns which languages and voices a session may choose: those that the services say they have."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from voice_gateway.messages import CallConfig
from voice_gateway.transports.realtime import fields

_ANY_LANGUAGE = "multi"  # a recogniser that tells them apart itself, and does not list them all
_MOST_NAMED = 40


@dataclass(frozen=True, slots=True)
class Served:
    """What the services have listed; before they have listed anything, all is taken."""

    languages: Sequence[str] = ()
    voices: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    """The voices of each language."""

    def check(self, asked: CallConfig, usual: CallConfig, path: str) -> None:
        """Refuse what nobody serves; raises BadEvent. What is usual is the operator's matter."""
        if asked.language != usual.language and not self._hears(asked.language):
            param = f"{path}.audio.input.transcription.language"
            raise fields.not_allowed(param, asked.language, _named(self.languages))
        if asked.voice != usual.voice and not self._speaks(asked.voice):
            voices = self.voices.get(asked.language) or self._all_voices()
            param = f"{path}.audio.output.voice"
            raise fields.not_allowed(param, asked.voice, _named(voices))

    def _hears(self, language: str) -> bool:
        known = self.languages
        return not known or language in known or _ANY_LANGUAGE in known

    def _speaks(self, voice: str) -> bool:
        """Whether it is a voice, all of its voices or, as a mood is, a kind of one."""
        known = self._all_voices()
        return not known or any(
            voice == each or each.startswith(f"{voice}.") or voice.startswith(f"{each}.")
            for each in known
        )

    def _all_voices(self) -> Sequence[str]:
        return sorted({voice for voices in self.voices.values() for voice in voices})


def _named(allowed: Iterable[str]) -> str:
    given = list(allowed)
    more = f" and {len(given) - _MOST_NAMED} others" if len(given) > _MOST_NAMED else ""
    return ", ".join(given[:_MOST_NAMED]) + more

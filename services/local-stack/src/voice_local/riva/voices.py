"""The names that voices go by: ours, and the defaults of other Riva clients. PURE.

A full name is "Name.speaker", as `voice_name` and one of `subvoices` of the list of models; the
name alone is its default speaker, and so is an empty one. Other clients come with the names of
NVIDIA's own voices: "English-US.Female-1", "Magpie-Multilingual.EN-US.Aria.Happy". Those are
taken for the default speaker where the language fits, so that they work unchanged.
"""

import re

from voice_local.engines import Voice
from voice_local.riva.refusal import RefusedError

_FOREIGN = (
    (re.compile(r"English-US([.-](Female|Male)-\d+)?([.].*)?", re.IGNORECASE), "en-US"),
    (re.compile(r"Magpie-[\w-]+[.](?P<language>[a-z]{2}-[a-z]{2})([.].*)?", re.IGNORECASE), ""),
)


def pick_speaker(voice: Voice, name: str, language: str) -> str:
    """The speaker that a client means; raises RefusedError in Riva's words where there is none."""
    spoken = [each.lower() for each in voice.languages]
    if language and language.lower() not in spoken:
        raise _unknown(voice, name, language)
    if not name or name.lower() == voice.name.lower():
        return voice.speakers[0]
    for speaker in voice.speakers:
        if name.lower() in (f"{voice.name}.{speaker}".lower(), speaker.lower()):
            return speaker
    if _foreign_language(name).lower() in spoken:
        return voice.speakers[0]
    raise _unknown(voice, name, language)


def _foreign_language(name: str) -> str:
    for pattern, language in _FOREIGN:
        if match := pattern.fullmatch(name):
            return language or match["language"]
    return ""


def _unknown(voice: Voice, name: str, language: str) -> RefusedError:
    known = ", ".join(f"{voice.name}.{speaker}" for speaker in voice.speakers)
    return RefusedError(
        f"Error: Model is not available on server: Voice {name} for language "
        f"{language or voice.languages[0]} not found. Please specify the voice name in your "
        f"SynthesizeSpeechRequest. Known: {known} for {', '.join(voice.languages)}."
    )

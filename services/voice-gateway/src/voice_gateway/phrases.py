"""Small words that say who has the floor, per language: they are judged, not understood.

Keys are the first part of a BCP-47 tag. A language that is missing has no such words: then every
word during a reply is an interruption, as long as its speaker is the caller.
"""

import re

# Said by a listener who only shows that he listens.
_BACKCHANNELS = {
    "en": """mm mmm mhm mm-hm mm-hmm mhmm hm hmm uh-huh uh huh ah aha oh ooh yeah yep yes yup ok
        okay right sure good great nice wow alright exactly indeed i see got it of course""",
    "de": """hm hmm mhm mm ah aha ach ja jo genau ok okay gut schön klar stimmt richtig
        verstehe so""",
    "es": """mm mhm hm ah ajá oh sí si ya ok okay vale bien claro bueno exacto entiendo
        por supuesto""",
    "fr": """mm mhm hm hum ah oh oui ouais ok okay bon bien voilà exact d'accord je vois
        bien sûr""",
    "hi": """हम्म हं हूँ हाँ हां जी अच्छा ठीक सही ओके ओह बिल्कुल जी हाँ ठीक है hmm haan ji achha
        accha theek ok okay theek hai""",
}

# Said by a listener who wants the floor: one is enough, whatever else was heard.
_STOPS = {
    "en": "stop wait hey hold sorry excuse no pause quiet enough listen",
    "de": "stopp stop halt warte moment nein entschuldigung pause ruhe genug",
    "es": "para espera alto no perdón perdona pausa silencio basta",
    "fr": "stop arrête arrêtez attends attendez non pardon pause silence",
    "hi": "रुको रुकिए ठहरो सुनो सुनिए नहीं बस ruko rukiye suno nahi bas stop",
}

_WORD = re.compile(r"[^\s.,!?…।\"“”]+")


def backchannels(language: str) -> frozenset[str]:
    return _BACKCHANNEL_SETS.get(_primary(language), frozenset())


def stops(language: str) -> frozenset[str]:
    return _STOP_SETS.get(_primary(language), frozenset())


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, without the marks between them."""
    return _WORD.findall(text.lower())


def _primary(language: str) -> str:
    return language.lower().partition("-")[0]


_BACKCHANNEL_SETS = {tag: frozenset(words.split()) for tag, words in _BACKCHANNELS.items()}
_STOP_SETS = {tag: frozenset(words.split()) for tag, words in _STOPS.items()}

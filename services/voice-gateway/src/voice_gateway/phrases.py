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

# Opening with one of these, somebody joins a clause to what was said; it has only begun as long as
# it has no verb: "And so, my fellow citizens". What may be a verb counts as one.
_JOINS = {"en": "and but or so because if when while although though since unless until plus"}
_VERBS = {
    "en": """am are is was were be been do does did done have has had can could may might must shall
        should will would let lets what how who whose where why which please thanks
        add agree allow answer appear ask bake become began begin believe book bought break bring
        build buy call came cancel care change check choose clean close come confirm continue cook
        cost count cover cut deal decide describe die drink drive eat end enter excuse explain
        fail fall feel felt fetch fill find finish fit fix fly follow forget forgot found gave get
        give go gone got grow guess handle happen hate hear heard help hold hope imagine keep kept
        kill knew know last laugh lead learn leave left lie like listen live look lose lost love
        made make matter mean meant meet mind miss move need offer open order own pass pay pick
        plan play point prefer prepare print pull push put ran reach read record remember remind
        remove repeat reply report rest ring run said save saw say says see seem seen sell send
        sent set show shut sing sit sleep smell sound speak spend spoke stand start stay stop
        study suggest take talk taste teach tell thank think thought told took touch travel treat
        try turn turned understand use used visit vote wait wake walk want wash watch wear went
        wish wonder work worry write wrote""",
}
_VERB_ENDINGS = ("ing", "ed", "es", "d", "s")
_VERB_MARKS = ("n't", "'s", "'re", "'m", "'ll", "'d", "'ve")

_WORD = re.compile(r"[^\s.,!?…।\"“”]+")


def backchannels(language: str) -> frozenset[str]:
    return _BACKCHANNEL_SETS.get(_primary(language), frozenset())


def stops(language: str) -> frozenset[str]:
    return _STOP_SETS.get(_primary(language), frozenset())


def only_begun(text: str, language: str) -> bool:
    """Whether the words open by joining on to what was said, and have no verb yet."""
    tag, words = _primary(language), words_of(text)
    joins = bool(words) and words[0] in _JOIN_SETS.get(tag, frozenset())
    return joins and not any(_may_be_verb(word, _VERB_SETS[tag]) for word in words)


def _may_be_verb(word: str, verbs: frozenset[str]) -> bool:
    stems = (word.removesuffix(ending) for ending in _VERB_ENDINGS)
    return word in verbs or word.endswith(_VERB_MARKS) or any(stem in verbs for stem in stems)


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, without the marks between them."""
    return _WORD.findall(text.lower())


def _primary(language: str) -> str:
    return language.lower().partition("-")[0]


_BACKCHANNEL_SETS = {tag: frozenset(words.split()) for tag, words in _BACKCHANNELS.items()}
_JOIN_SETS = {tag: frozenset(words.split()) for tag, words in _JOINS.items()}
_VERB_SETS = {tag: frozenset(words.split()) for tag, words in _VERBS.items()}
_STOP_SETS = {tag: frozenset(words.split()) for tag, words in _STOPS.items()}

"""Removes what is shown or acted and never said: citations, footnote marks, emoticons and stage
directions such as "*smiles warmly*"."""

import re

from voice_gateway.language.speakable.rules import Rule, any_of, apply, rule

# The first word of a direction: what an actor does there, as models write it.
_ACTS = (
    "smiles smiling laughs laughing laughter chuckles chuckling giggles sighs sighing pauses "
    "pausing nods nodding winks grins gasps shrugs coughs sniffs yawns whispers whispering clears "
    "blushes gulps groans hums bows waves beams frowns snorts softly gently warmly quietly "
    "excitedly cheerfully thoughtfully playfully sarcastically enthusiastically leans tilts "
    "scratches"
).split()
_ACTS_IN_HINDI = (
    "मुस्कुराते मुस्कुराकर मुस्कराते मुस्कुराता मुस्कुराती हँसते हंसते हँसकर हंसकर हँसता हँसती आह "
    "ठहरकर रुककर सोचते सोचकर धीरे गहरी सिर खाँसते फुसफुसाते"
).split()
_ACT = rf"(?:{any_of([*_ACTS, *_ACTS_IN_HINDI])})(?![\w\u0900-\u097f-])"
_REST = r"[^*()\[\]\n]{0,60}"

# Between stars it may be a word with stress, so a direction is known by standing alone there.
_ALONE_AFTER = r"(?:^|(?<=[.!?…।\"”\n])\s*|(?<=[.!?…।\"”]\s))"
_ALONE_BEFORE = r"(?=\s*(?:$|\n|[\"“A-Z\u0900-\u097f]))"

_CITATION = rule(r"\s?【[^】]{0,60}】|(?<!\])\s?(?:\[\^?\d{1,3}\])+(?!\():?|\[[ xX]\]", "")
_UNSPOKEN: tuple[Rule, ...] = (
    rule(rf"{_ALONE_AFTER}\*{{1,2}}{_ACT}{_REST}\*{{1,2}}{_ALONE_BEFORE}", "", re.IGNORECASE),
    rule(rf"\s?[(\[]{_ACT}{_REST}[)\]]", "", re.IGNORECASE),
)
_EMOTICON = rule(r"(?:^|(?<=\s))[:;=]['’]?-?[)(DPpO](?=$|[\s.,!?])", "")


def without_unspoken(text: str) -> str:
    if "[" in text or "【" in text:
        text = apply((_CITATION,), text)
    if "*" in text or "(" in text or "[" in text:
        text = apply(_UNSPOKEN, text)
    return apply((_EMOTICON,), text) if ":" in text or ";" in text or "=" in text else text

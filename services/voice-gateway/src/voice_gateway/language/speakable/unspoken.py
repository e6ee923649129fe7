"""Removes what is shown or acted and never said: citations, footnotes, emoticons, directions.

It is round.[1] *smiles warmly* You see? :)        It is round. You see?
"""

from voice_gateway.language.speakable.rules import Rule, any_of, apply, rule

# The first word of a direction, as models write it: what an actor does there. In brackets these
# are always directions; the others may be a remark, as in "stir it (gently)".
_ACTS = (
    "smiles laughs chuckles giggles sighs pauses nods winks grins gasps shrugs",
    "मुस्कुराते मुस्कुराकर मुस्कराते मुस्कुराता मुस्कुराती हँसते हंसते हँसकर हंसकर हँसता हँसती",
)
_MANNERS = (
    "smiling laughing laughter chuckling giggling sighing pausing nodding coughs sniffs yawns "
    "whispers whispering clears blushes gulps groans hums bows waves beams frowns snorts leans "
    "tilts scratches softly gently warmly quietly excitedly cheerfully thoughtfully playfully "
    "sarcastically enthusiastically",
    "ठहरकर रुककर सोचते सोचकर धीरे खाँसते फुसफुसाते",
)
_PHRASES = ("आह भर", "आह भरते", "आह भरकर", "गहरी साँस", "सिर हिलाते", "सिर हिलाकर")
_ENDS = r"(?![\w\u0900-\u097f-])"
_ACT = rf"(?i:{any_of(' '.join(_ACTS).split())}){_ENDS}"
_ANY_ACT = rf"(?i:{any_of([*' '.join((*_ACTS, *_MANNERS)).split(), *_PHRASES])}){_ENDS}"
_REST = r"[^*()\[\]\n]{0,60}"

# A word between stars may have stress, so such a direction is known by standing alone.
_ALONE_AFTER = r"(?:^|(?<=[.!?…।\"”\n])\s*|(?<=[.!?…।\"”]\s))"
_ALONE_BEFORE = r"(?=\s*(?:$|\n|[\"“A-Z\u0900-\u097f]))"

_CITATION = rule(r"\s?【[^】]{0,60}】|(?<!\])(?<!sqrt)\s?(?:\[\^?\d{1,3}\])+(?!\():?|\[[ xX]\]", "")
_UNSPOKEN: tuple[Rule, ...] = (
    rule(rf"{_ALONE_AFTER}\*{{1,2}}{_ANY_ACT}{_REST}\*{{1,2}}{_ALONE_BEFORE}", ""),
    rule(rf"{_ALONE_AFTER}[(\[]{_ANY_ACT}{_REST}[)\]]{_ALONE_BEFORE}", ""),
    rule(rf"\s?[(\[]{_ACT}{_REST}[)\]]", ""),
)
_EMOTICON = rule(
    r"(?<![\w:]):[a-z][a-z0-9_]{1,30}:(?![\w:])|(?:^|(?<=\s))[:;=]['’]?-?[)(DPpO](?=$|[\s.,!?])", ""
)


def without_unspoken(text: str) -> str:
    if "[" in text or "【" in text:
        text = apply((_CITATION,), text)
    if "*" in text or "(" in text or "[" in text:
        text = apply(_UNSPOKEN, text)
    return apply((_EMOTICON,), text) if ":" in text or ";" in text or "=" in text else text

"""Titles, abbreviations and initials: "डॉ. शर्मा", "उ.प्र.", "ए.पी.जे. अब्दुल कलाम"."""

from voice_gateway.language.hi.numbers import LETTER
from voice_gateway.language.speakable.rules import Match, Rule, any_of, rule

_SHORT = {
    "डॉ.": "डॉक्टर",
    "डा.": "डॉक्टर",
    "Dr.": "डॉक्टर",
    "प्रो.": "प्रोफ़ेसर",
    "Prof.": "प्रोफ़ेसर",
    "पं.": "पंडित",
    "Mr.": "मिस्टर",
    "Mrs.": "मिसेज़",
    "Ms.": "मिस",
    "कु.": "कुमारी",
    "सु.श्री": "सुश्री",
    "लि.": "लिमिटेड",
    "कं.": "कंपनी",
    "मो.": "मोबाइल",
    "नं.": "नंबर",
    "No.": "नंबर",
    "पृ.": "पृष्ठ",
    "क्र. सं.": "क्रम संख्या",
    "क्र.सं.": "क्रम संख्या",
    "क्र.": "क्रमांक",
    "सं.": "संख्या",
    "जि.": "ज़िला",
    "पीएच.डी.": "पीएच डी",
    "ई.पू.": "ईसा पूर्व",
    "ई. पू.": "ईसा पूर्व",
    "उ.प्र.": "उत्तर प्रदेश",
    "म.प्र.": "मध्य प्रदेश",
    "हि.प्र.": "हिमाचल प्रदेश",
    "आ.प्र.": "आंध्र प्रदेश",
    "कि.मी.": "किमी",
    "से.मी.": "सेमी",
    "कि.ग्रा.": "किग्रा",
    "etc.": "आदि",
    "vs.": "बनाम",
}
_CLUSTER = rf"{LETTER}{{1,3}}"


def _initials(match: Match) -> str:
    spaced = match[0].replace(".", " ").split()
    following = match.string[match.end() : match.end() + 1]
    return " ".join(spaced) + ("" if following in (" ", "", "।", ",") else " ")


NAMES: tuple[Rule, ...] = (
    rule(rf"(?<!{LETTER})(?<![A-Za-z.])(?:{any_of(_SHORT)})", lambda m: _SHORT[m[0]]),
    rule(rf"(?<!{LETTER})(?:{_CLUSTER}\.\s?){{1,4}}{_CLUSTER}\.(?!{LETTER})", _initials),
    rule(r"\b(?:[A-Za-z]\.){2,}(?!\w)", lambda m: " ".join(m[0].replace(".", "").upper())),
)

"""Numbers that name something: telephones, cards, PIN codes, trains, flights, versions."""

from voice_gateway.language.hi.numbers import ENDS, digits, grouped, number
from voice_gateway.language.speakable.rules import Match, Rule, any_of, rule

_FREE = r"(?<![\w.,₹$€£-])"
# What these name is read digit by digit.
_NAMED = (
    "पिनकोड पिन PIN OTP ओटीपी कोड code आधार Aadhaar PNR पीएनआर खाता अकाउंट account कार्ड ट्रेन गाड़ी "
    "train"
).split()
_NUMBER = r"(?:(?: कोड| संख्या| नंबर| नं\.?| क्रमांक| number| code)?(?: है| का अंत)?:? ?#?)"
_COUNTED = r"\s?(?:रुपय|रुपए|रु|किमी|किलो|लोग|मीटर|यात्री|रन|साल|दिन|घंट|मिनट|प्रतिशत|%)"
_FLIGHT = r"(?:फ़्लाइट|फ्लाइट|उड़ान|विमान|[Ff]light)(?: संख्या| नंबर)?"
_ORDER = r"(?:ऑर्डर|आर्डर|टिकट|शिकायत|[Oo]rder|[Tt]icket)"
_CITIES = (
    "दिल्ली मुंबई कोलकाता चेन्नई बेंगलुरु बंगलौर हैदराबाद पुणे अहमदाबाद जयपुर लखनऊ कानपुर नागपुर इंदौर भोपाल "
    "पटना वाराणसी गुरुग्राम गुड़गाँव नोएडा चंडीगढ़ आगरा सूरत राँची रांची प्रयागराज देहरादून"
).split()
_IN_ENGLISH = {"2": "टू", "3": "थ्री", "4": "फ़ोर", "5": "फ़ाइव", "6": "सिक्स", "8": "एट"}
_LETTERS = {"G": "जी", "K": "के", "D": "डी"}


def _phone(match: Match) -> str:
    plus = "प्लस " if match[0].startswith("+") else ""
    return plus + grouped(match[0])


def _points(match: Match) -> str:
    """Read a version, or an IP address."""
    parts = match[0].split(".")
    return (" डॉट " if len(parts) == 4 else " पॉइंट ").join(map(number, parts))


def _version(match: Match) -> str:
    return "वर्ज़न " + " पॉइंट ".join(map(number, match[1].split(".")))


def _flight(match: Match) -> str:
    return f"{match[1]} {' '.join(match[2])} {digits(match[3])}"


def _spelled(match: Match) -> str:
    return " ".join(digits(each) if each.isdecimal() else each for each in match[0])


CODES: tuple[Rule, ...] = (
    rule(rf"{_FREE}\d{{4}}(?:([ -])\d{{4}}(?:\1\d{{4}}){{1,2}}|[ -]\d{{6}}[ -]\d{{5}})\b", _phone),
    rule(
        rf"((?:{any_of(_NAMED)}){_NUMBER})(\d{{3,}})\b(?![.,:]\d|{_COUNTED})",
        lambda m: m[1] + digits(m[2]),
    ),
    rule(
        rf"({_ORDER}) (?:(?:संख्या|नंबर|number) ?#?|#)(\d{{3,}})\b",
        lambda m: f"{m[1]} नंबर {digits(m[2])}",
    ),
    rule(rf"((?:{any_of(_CITIES)})[ -])([1-8]\d{{5}})\b(?![.,]\d)", lambda m: m[1] + digits(m[2])),
    rule(
        rf"\+\d{{1,3}}[ .-]?(?:\d{{2,5}}[ .-]){{1,3}}\d{{3,5}}\b|\+\d{{8,15}}\b"
        rf"|{_FREE}0\d{{2,4}}[ -]\d{{6,8}}\b|{_FREE}\d{{4}}[ -]\d{{3}}[ -]\d{{3,4}}\b"
        rf"|{_FREE}\d{{5}}[ -]\d{{5}}\b|{_FREE}\d{{10,}}\b(?![.,]\d)",
        _phone,
    ),
    rule(rf"{_FREE}\d{{3}}(?= (?:पर|नंबर पर) (?:कॉल|फ़ोन|फोन|डायल))", _phone),
    rule(rf"({_FLIGHT}) ([A-Z]{{2}}|[A-Z]\d|\d[A-Z])[ -]?(\d{{1,4}})\b", _flight),
    rule(r"\b(?=[A-Z]*\d)(?=\d*[A-Z])[A-Z\d]{8,}\b", _spelled),
    rule(r"\bv\.?(\d+(?:\.\d+)*)\b", _version),
    rule(r"\b\d+(?:\.\d+){2,}\b", _points),
    rule(
        rf"(?<![\w.,])([234568])([GKD]){ENDS}",
        lambda m: f"{_IN_ENGLISH[m[1]]} {_LETTERS[m[2]]}",
    ),
)

"""German."""

from voice_gateway.language.shape import Language, words

LANGUAGE = Language(
    tag="de",
    backchannels=words(
        """hm hmm mhm mm ah aha ach ja jo genau ok okay gut schön klar stimmt richtig
        verstehe so"""
    ),
    answers=words("ja jo genau ok okay gut schön klar stimmt richtig nein nee nö"),
    stops=words("stopp stop halt warte moment nein entschuldigung pause ruhe genug"),
    opens_clause=words("und oder aber weil dass wenn denn sondern damit obwohl während wobei"),
    asks_much=words(
        "adresse anschrift nummer telefonnummer email e-mail buchstabieren postleitzahl"
    ),
    apology="Entschuldigung, da ist etwas schiefgegangen. Bitte fragen Sie noch einmal.",
    say_again="Entschuldigung, das habe ich nicht verstanden. Bitte sagen Sie es noch einmal.",
)

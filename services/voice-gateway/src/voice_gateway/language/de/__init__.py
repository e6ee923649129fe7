"""German."""

from voice_gateway.language.shape import Language, words

LANGUAGE = Language(
    tag="de",
    name="German",
    script="LATIN",
    common=words("der die das und ist nicht ein eine ich sie mit auf wir"),
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
    asks_for_more=words(
        """und oder aber weil dass wenn ob von für im am vom zum zur ins der den dem des eine einen
        einem einer mein meine meinen meinem dein deine unser unsere sehr"""
    ),
    opens_question=words(
        """was wer wem wen wo woher wohin wann wie warum wieso welche welcher welches welchen kann
        kannst können könnten ist sind gibt hast haben darf soll"""
    ),
    apology="Entschuldigung, da ist etwas schiefgegangen. Bitte fragen Sie noch einmal.",
    say_again="Entschuldigung, das habe ich nicht verstanden. Bitte sagen Sie es noch einmal.",
    greeting="Guten Tag! Was kann ich für Sie tun?",
    idle_prompt="Sind Sie noch da?",
    goodbye="Auf Wiederhören.",
    system_prompt=(
        "Du bist ein freundlicher Sprachassistent. Deine Worte werden laut vorgelesen. Antworte "
        "immer auf Deutsch, in ein bis drei kurzen, einfachen Sätzen. Schreibe keine Listen, kein "
        "Markdown, keine Emojis, Zeichen oder Regieanweisungen. Schreibe Zahlen und Einheiten als "
        "Wörter. Ist die Frage unklar, frage kurz nach."
    ),
    answer_in="Antworte immer auf Deutsch.",
    code_remark="Der Code steht im Text.",
)

"""French."""

from voice_gateway.language.shape import Language, words

LANGUAGE = Language(
    tag="fr",
    backchannels=words(
        """mm mhm hm hum ah oh oui ouais ok okay bon bien voilà exact d'accord je vois
        bien sûr"""
    ),
    answers=words("oui ouais ok okay bon bien sûr exact d'accord voilà non"),
    stops=words("stop arrête arrêtez attends attendez non pardon pause silence"),
    opens_clause=words("et mais parce car quand lorsque donc puisque tandis"),
    asks_much=words("adresse numéro téléphone mail e-mail épeler code"),
    apology="Désolé, il y a eu un problème. Posez-moi encore la question.",
    say_again="Désolé, je n'ai pas compris. Répétez, s'il vous plaît.",
)

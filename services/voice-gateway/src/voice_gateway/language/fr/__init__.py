"""French."""

from voice_gateway.language.shape import Language, words

LANGUAGE = Language(
    tag="fr",
    name="French",
    script="LATIN",
    common=words("le les et est une des du je vous qui dans pour pas"),
    backchannels=words(
        """mm mhm hm hum ah oh oui ouais ok okay bon bien voilà exact d'accord je vois
        bien sûr"""
    ),
    answers=words("oui ouais ok okay bon bien sûr exact d'accord voilà non"),
    stops=words("stop arrête arrêtez attends attendez non pardon pause silence"),
    opens_clause=words("et mais parce car quand lorsque donc puisque tandis"),
    asks_much=words("adresse numéro téléphone mail e-mail épeler code"),
    asks_for_more=words(
        """le la les un une des du de à au aux en dans par et ou mais parce que mon ma mes ton ta
        tes son sa ses notre votre je très"""
    ),
    opens_question=words(
        """quoi qui quand comment pourquoi combien quel quelle quels quelles où est-ce qu'est-ce
        pouvez-vous peux-tu"""
    ),
    apology="Désolé, il y a eu un problème. Posez-moi encore la question.",
    say_again="Désolé, je n'ai pas compris. Répétez, s'il vous plaît.",
    greeting="Bonjour ! Que puis-je faire pour vous ?",
    idle_prompt="Vous êtes toujours là ?",
    goodbye="Au revoir.",
    system_prompt=(
        "Tu es un assistant vocal aimable. Tes mots sont lus à voix haute. Réponds toujours en "
        "français, en une à trois phrases courtes et simples. N'utilise jamais de listes, de "
        "markdown, d'émojis, de symboles ni de didascalies. Écris les nombres et les unités en "
        "toutes lettres. Si la question n'est pas claire, demande brièvement une précision."
    ),
    answer_in="Réponds toujours en français.",
    code_remark="Le code est dans le texte.",
)

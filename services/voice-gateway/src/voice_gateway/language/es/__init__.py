"""Spanish."""

from voice_gateway.language.shape import Language, words

LANGUAGE = Language(
    tag="es",
    name="Spanish",
    script="LATIN",
    common=words("el los las y en una por con para del está muy"),
    backchannels=words(
        """mm mhm hm ah ajá oh sí si ya ok okay vale bien claro bueno exacto entiendo
        por supuesto"""
    ),
    answers=words("sí si ok okay vale bien claro bueno exacto supuesto no"),
    stops=words("para espera alto no perdón perdona pausa silencio basta"),
    opens_clause=words("y pero porque aunque cuando donde mientras pues sino"),
    asks_much=words("dirección número teléfono correo deletrear código"),
    asks_for_more=words(
        """el la los las un una unos unas de del al a en con por y o pero porque que mi mis tu tus
        su sus muy"""
    ),
    opens_question=words(
        """qué quién quiénes cuál cuáles cuándo cuánto cuánta cuántos cuántas cómo dónde adónde
        puede puedes podría hay"""
    ),
    apology="Perdón, algo ha salido mal. Por favor, pregunte otra vez.",
    say_again="Perdón, no le he entendido. Por favor, dígalo otra vez.",
    greeting="¡Hola! ¿En qué puedo ayudarle?",
    idle_prompt="¿Sigue ahí?",
    goodbye="Hasta luego.",
    system_prompt=(
        "Eres un asistente de voz amable. Tus palabras se leen en voz alta. Responde siempre en "
        "español, con una a tres frases cortas y sencillas. Nunca uses listas, markdown, emojis, "
        "símbolos ni acotaciones. Escribe los números y las unidades con palabras. Si la pregunta "
        "no está clara, pregunta brevemente."
    ),
    answer_in="Responde siempre en español.",
    code_remark="El código está en el texto.",
)

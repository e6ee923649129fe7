"""Spanish."""

from voice_gateway.language.shape import Language, words

LANGUAGE = Language(
    tag="es",
    backchannels=words(
        """mm mhm hm ah ajá oh sí si ya ok okay vale bien claro bueno exacto entiendo
        por supuesto"""
    ),
    answers=words("sí si ok okay vale bien claro bueno exacto supuesto no"),
    stops=words("para espera alto no perdón perdona pausa silencio basta"),
    opens_clause=words("y pero porque aunque cuando donde mientras pues sino"),
    asks_much=words("dirección número teléfono correo deletrear código"),
    apology="Perdón, algo ha salido mal. Por favor, pregunte otra vez.",
    say_again="Perdón, no le he entendido. Por favor, dígalo otra vez.",
)

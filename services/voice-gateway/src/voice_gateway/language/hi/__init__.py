"""Hindi."""

from voice_gateway.language.shape import Language, words

LANGUAGE = Language(
    tag="hi",
    backchannels=words(
        """हम्म हं हूँ हाँ हां जी अच्छा ठीक सही ओके ओह बिल्कुल जी हाँ ठीक है hmm haan ji achha
        accha theek ok okay theek hai"""
    ),
    answers=words(
        """हाँ हां जी अच्छा ठीक सही ओके बिल्कुल haan ji achha accha theek ok okay
        नहीं nahi"""
    ),
    stops=words("रुको रुकिए ठहरो सुनो सुनिए नहीं बस ruko rukiye suno nahi bas stop"),
    asks_much=words("पता नंबर ईमेल पिनकोड"),
    apology="माफ़ कीजिए, कुछ गड़बड़ हो गई। कृपया फिर से पूछिए।",
    say_again="माफ़ कीजिए, बात समझ में नहीं आई। कृपया फिर से कहिए।",
    code_remark="कोड लिखित उत्तर में है।",
)

"""Hindi."""

from voice_gateway.language.hi.spoken import spoken
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
    opens_clause=words("और लेकिन मगर परंतु क्योंकि ताकि इसलिए बल्कि जबकि जिसमें जिससे कि"),
    abbreviations=words(
        """Mr Mrs Ms Dr Prof St Jr Sr vs etc Ph.D
        डॉ डा प्रो पं कु क्र सं जि मो ए बी सी डी एफ़ जी एच आई जे के एल एम एन पी आर एस टी यू वी"""
    ),
    numbered=words("No नं पृ रु Rs"),
    in_words=spoken,
)

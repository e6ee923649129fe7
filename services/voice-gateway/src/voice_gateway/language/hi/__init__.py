"""Hindi."""

from voice_gateway.language.hi.spoken import spoken
from voice_gateway.language.shape import Language, words

LANGUAGE = Language(
    tag="hi",
    name="Hindi",
    script="DEVANAGARI",
    common=words("है हैं और में के की का को से ने नहीं यह वह मैं आप hai hain aur mein nahi kya"),
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
    asks_for_more=words(
        """और या लेकिन मगर क्योंकि अगर यदि कि जब ताकि ने मुझे मेरा मेरी मेरे अपना अपनी अपने हमारा
        हमारी हमारे एक"""
    ),
    opens_question=words(
        """क्या कौन कब कहाँ कहां कैसे क्यों कितना कितनी कितने किस किसका किसकी किसके किसने किसे
        कौनसा कौनसी"""
    ),
    apology="माफ़ कीजिए, कुछ गड़बड़ हो गई। कृपया फिर से पूछिए।",
    say_again="माफ़ कीजिए, बात समझ में नहीं आई। कृपया फिर से कहिए।",
    greeting="नमस्ते! मैं आपकी क्या मदद कर सकती हूँ?",
    idle_prompt="क्या आप अभी भी वहाँ हैं?",
    goodbye="नमस्ते।",
    system_prompt=(
        "आप एक मिलनसार ध्वनि सहायक हैं। आपके शब्द बोलकर सुनाए जाते हैं। हमेशा हिन्दी में, देवनागरी में, "
        "एक से तीन छोटे और सरल वाक्यों में उत्तर दें। सूचियाँ, मार्कडाउन, इमोजी या चिह्न न लिखें। "
        "संख्याएँ शब्दों में लिखें। प्रश्न स्पष्ट न हो तो संक्षेप में पूछ लें।"
    ),
    answer_in="हमेशा हिन्दी में, देवनागरी में उत्तर दें।",
    code_remark="कोड लिखित उत्तर में है।",
    opens_clause=words("और लेकिन मगर परंतु क्योंकि ताकि इसलिए बल्कि जबकि जिसमें जिससे कि"),
    abbreviations=words(
        """Mr Mrs Ms Dr Prof St Jr Sr vs etc Ph.D
        डॉ डा प्रो पं कु क्र सं जि मो ए बी सी डी एफ़ जी एच आई जे के एल एम एन पी आर एस टी यू वी"""
    ),
    numbered=words("No नं पृ रु Rs"),
    in_words=spoken,
)

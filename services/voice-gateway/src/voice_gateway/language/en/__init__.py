"""English."""

from voice_gateway.language.en.spoken import spoken
from voice_gateway.language.shape import Language, words

LANGUAGE = Language(
    tag="en",
    name="English",
    script="LATIN",
    common=words("the and is of you it that are with have what this my your"),
    backchannels=words(
        """mm mmm mhm mm-hm mm-hmm mhmm hm hmm uh-huh uh huh ah aha oh ooh yeah yep yes yup ok okay
        right sure good great nice wow alright exactly indeed i see got it of course"""
    ),
    answers=words(
        """yes yeah yep yup ok okay sure right alright exactly indeed course good great
        no nope nah"""
    ),
    stops=words("stop wait hey hold sorry excuse no pause quiet enough listen"),
    asks_much=words("address number email e-mail spell code postcode zip"),
    asks_for_more=words(
        """a about also am an and are as at be because but by can could did do does equals for from
        give has have how i if in into is it's its let like me might minus my need next no not of on
        or our plus should so some tell than that the their then these this those to um uh er under
        until us very want was were what when where which while who why will with without would
        your"""
    ),
    opens_question=words(
        """am are can could did do does has have how is may should was were what what's when where
        where's which who who's whose why will would"""
    ),
    joins=words("and but or so because if when while although though since unless until plus"),
    verbs=words(
        """am are is was were be been do does did done have has had can could may might must shall
        should will would let lets what how who whose where why which please thanks
        add agree allow answer appear ask bake become began begin believe book bought break bring
        build buy call came cancel care change check choose clean close come confirm continue cook
        cost count cover cut deal decide describe die drink drive eat end enter excuse explain
        fail fall feel felt fetch fill find finish fit fix fly follow forget forgot found gave get
        give go gone got grow guess handle happen hate hear heard help hold hope imagine keep kept
        kill knew know last laugh lead learn leave left lie like listen live look lose lost love
        made make matter mean meant meet mind miss move need offer open order own pass pay pick
        plan play point prefer prepare print pull push put ran reach read record remember remind
        remove repeat reply report rest ring run said save saw say says see seem seen sell send
        sent set show shut sing sit sleep smell sound speak spend spoke stand start stay stop
        study suggest take talk taste teach tell thank think thought told took touch travel treat
        try turn turned understand use used visit vote wait wake walk want wash watch wear went
        wish wonder work worry write wrote"""
    ),
    verb_endings=("ing", "ed", "es", "d", "s"),
    verb_marks=("n't", "'s", "'re", "'m", "'ll", "'d", "'ve"),
    opens_clause=words("and because but that where which while who"),
    abbreviations=words(
        """Mr Mrs Ms Dr Prof St Mt Ft Gen Capt Col Maj Lt Sgt Sen Gov Rev Hon Jr Sr vs etc approx
        al avg incl excl max dept Fig Inc Ltd Ph.D"""
    ),
    numbered=words(
        """No Nos p pp Ch Vol Sec Apt Ext ext Rs c ca est min
        Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec"""
    ),
    apology="Sorry, something went wrong. Please ask me again.",
    say_again="Sorry, I did not catch that. Please say it again.",
    greeting="Hello! How can I help you?",
    idle_prompt="Are you still there?",
    goodbye="Goodbye.",
    system_prompt=(
        "You are a friendly voice assistant. Your words are spoken aloud. Answer in one to three "
        "short, plain sentences. Never use lists, markdown, emoji, symbols or stage directions. "
        "Write numbers and units as words. If the question is unclear, ask back briefly."
    ),
    answer_in="Always answer in English.",
    code_remark="The code is in the text.",
    in_words=spoken,
)

"""English as it is spoken in India: with some words of Hindi."""

from dataclasses import replace

from voice_gateway.language.en import LANGUAGE as ENGLISH
from voice_gateway.language.shape import words

LANGUAGE = replace(
    ENGLISH,
    tag="en-in",
    backchannels=ENGLISH.backchannels | words("haan ji achha accha theek"),
    answers=ENGLISH.answers | words("haan ji achha accha theek nahi"),
    stops=ENGLISH.stops | words("ruko nahi bas"),
    asks_much=ENGLISH.asks_much | words("pin pincode"),
)

"""Answers of a model, and in which spoken words each written word is heard.

A word that is said in other words than it is written in stands with them: `$14=fourteen_dollars`.
"""

from dataclasses import dataclass
from functools import cached_property

_ANSWERS = """
The swimming pool opens at 6:30=six_thirty and closes at 9=nine PM.=P_M A day ticket is $8.50,=eight_dollars_and_fifty_cents and children under 12=twelve swim for $3.=three_dollars
Sure. Your parcel left Hamburg on April 3rd,=third it weighs 4.2=four_point_two kg,=kilograms and it should be with you by Friday.
The bridge is 2,737=two_thousand_seven_hundred_thirty-seven meters long, it was opened in 1937,=nineteen_thirty-seven and about 112,000=one_hundred_twelve_thousand cars cross it every day.
I found three hotels near the station. The cheapest costs €74=seventy-four_euros a night, the nicest one €129,=one_hundred_twenty-nine_euros and both have breakfast until 10:30.=ten_thirty
Let me think. If you leave now, you will be there in 25=twenty-five minutes; after 5=five o'clock it takes closer to 50.=fifty
A marathon is 42.2=forty-two_point_two km=kilometers long, and the best runners in the world need a little more than 2=two hours for it.
Your order has 3=three shirts, 2=two pairs of socks and 1=one jacket. With the 20=twenty %=percent discount, that is $96.40=ninety-six_dollars_and_forty_cents in all.
The recipe says 200=two_hundred g=grams of butter, 150=one_hundred_fifty g=grams of sugar, 4=four eggs and a spoon of vanilla. Bake it for 35=thirty-five minutes.
Light travels about 300,000=three_hundred_thousand km=kilometers in a second, so it needs 8=eight minutes from the sun to us.
The next bus goes at 7:12,=seven_twelve then one at 7:42,=seven_forty-two and the last one tonight leaves at 11:05.=eleven_oh_five
Well, trees drink through their roots. The water climbs up in thin pipes under the bark, and the leaves let most of it go into the air again.
No problem at all. I have moved your appointment with the dentist to Tuesday afternoon, and I will remind you the evening before.
Bees dance to tell each other where the flowers are. The angle of the dance shows the direction, and how long it lasts shows how far they have to fly.
I would take the red one. It is lighter, it has the better brakes, and the shop will look after it for a whole year without asking for money.
Of course! Once there was a lighthouse keeper who collected the names of ships, and every night he read them to the sea until it was calm.
That depends on what you like. The north has cliffs and old castles, the south has beaches, and in the middle there is a lake with very good fish.
To make good coffee, use fresh beans, grind them just before, and let the water cool for a moment after it has boiled.
The heart of a blue whale weighs about 180=one_hundred_eighty kg,=kilograms beats as rarely as 2=two times a minute, and can be heard from 3=three km=kilometers away.
Your last bill was $64.19=sixty-four_dollars_and_nineteen_cents for 412=four_hundred_twelve kWh,=kilowatt_hours which is $7=seven_dollars less than in February.
In 1969,=nineteen_sixty-nine two people walked on the moon for 2=two and a half hours, and brought back 21=twenty-one kg=kilograms of stones.
""".strip().splitlines()  # noqa: E501  # an answer is one line


@dataclass(frozen=True, slots=True)
class WrittenWord:
    text: str
    spoken: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    words: tuple[WrittenWord, ...]

    @cached_property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


def answers() -> list[Answer]:
    return [Answer(tuple(map(_word, line.split()))) for line in _ANSWERS]


def _word(marked: str) -> WrittenWord:
    text, _, spoken = marked.partition("=")
    return WrittenWord(text, tuple((spoken or text).split("_")))

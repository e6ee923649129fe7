"""Which utterances that the client ended still wait for their final."""

from voice_gateway.hearing.ended import Ended


def ended(*at_s: float) -> Ended:
    ends = Ended()
    for each_s in at_s:
        ends.end(each_s)
    return ends


def test_a_final_ends_what_it_reaches():
    ends = ended(2.0, 3.0, 4.0)
    assert not ends.over(1.2)  # a pause within the first utterance
    assert ends.over(1.99)
    assert ends.over(4.0)  # nothing was said in the second one
    assert not ends.pending


def test_an_end_without_audio_before_it_is_none():
    ends = ended(2.0, 2.0)
    assert ends.over(2.0)
    assert not ends.pending


def test_where_the_recogniser_does_not_say_how_far_it_came_its_words_do():
    ends = ended(2.0, 3.0, 4.0)
    assert ends.reach(2.7) == 3.0
    assert ends.reach(None) == 2.0
    assert ends.reach(4.5) is None


def test_without_any_position_each_utterance_has_one_final():
    ends = ended(2.0, 3.0)
    assert ends.over(None)
    assert ends.pending
    assert ends.over(None)
    assert not ends.over(None)


def test_what_is_dropped_waits_for_nothing():
    ends = ended(2.0)
    ends.clear()
    assert not ends.pending

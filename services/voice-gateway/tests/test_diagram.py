"""The diagram in the docs is what the conversation does, and says nothing it may not do."""

from pathlib import Path

import pytest
from voice_gateway.conversation import Conversation, Listening, Replying, Silence
from voice_gateway.testing import diagram

PAGE = Path(__file__).parents[3] / "docs" / "architecture" / "turn-taking.md"


@pytest.fixture(scope="module")
def edges() -> diagram.Edges:
    return diagram.explored()


def test_the_docs_show_what_the_code_does(edges: diagram.Edges):
    """Draw it anew with `uv run python -m voice_gateway.testing.diagram --write`."""
    page = PAGE.read_text()
    assert diagram.inserted(page, diagram.drawn(edges)) == page


def test_every_state_has_a_way_in_and_a_way_out(edges: diagram.Edges):
    states = {"[*]", "LISTENING", "PREPARING", "THINKING", "SPEAKING", "PAUSED"}
    assert {origin for origin, _ in edges} == states
    assert {goal for _, goal in edges} == states


def test_a_reply_is_cut_off_only_where_it_is_told_to_the_caller(edges: diagram.Edges):
    """A reply that the caller knows of is never cancelled without a word."""
    for (origin, goal), ways in edges.items():
        for said in ways:
            if "CancelReply" in said and origin != "PREPARING":
                assert "Interrupted" in said, (origin, goal, said)


def test_nothing_is_prepared_while_a_reply_is_live(edges: diagram.Edges):
    for (origin, goal), ways in edges.items():
        for said in ways:
            assert said.count("CancelReply") <= 1, (origin, goal, said)
            assert "PauseReply" not in said or origin != "PREPARING", (goal, said)
            # What is said into a failure of the recogniser takes the place of the draft.
            assert "Say" not in said or origin != "PREPARING" or "CancelReply" in said, (goal, said)


def test_a_page_without_the_marks_is_refused():
    with pytest.raises(ValueError, match="drawn by"):
        diagram.inserted("# Turn-taking", "x")


def test_a_conversation_has_a_shape_of_its_types_and_its_set_fields():
    assert diagram.shape(Conversation()) == diagram.shape(Conversation(reply=7))
    assert diagram.shape(Conversation()) != diagram.shape(Conversation(interim="well"))
    assert diagram.shape(Conversation()) != diagram.shape(Conversation(Listening(Silence(1.0))))
    assert diagram.shape(Conversation()) != diagram.shape(Conversation(Replying()))

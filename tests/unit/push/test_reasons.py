"""The closed list of reasons: a sentence for each, as an operator reads it."""

from typing import get_args

from realtime.push.reasons import OF_THE_MESSAGE, SENTENCES, Reason, sentence


def test_every_reason_has_a_sentence_of_its_own() -> None:
    assert set(SENTENCES) == set(get_args(Reason))
    assert len(set(SENTENCES.values())) == len(SENTENCES) == 19
    assert all(text.endswith(".") for text in SENTENCES.values())
    assert set(SENTENCES) > OF_THE_MESSAGE


def test_a_sentence_says_more_where_more_is_known() -> None:
    assert sentence("own_message") == "The user has sent it."
    assert sentence("seen", "tablet") == "A device in the foreground had it in time. (tablet)"

"""Questions and answers, which an older or a younger node reads as far as it knows them."""

import msgspec
import pytest

from realtime.cluster.control import Answer, Question


@pytest.mark.parametrize(
    ("word", "body"),
    [
        (Question("q1", "n1"), b'{"id":"q1","asker":"n1"}'),
        (
            Question("q1", "n1", "channels", "chat:*"),
            b'{"id":"q1","asker":"n1","pattern":"chat:*"}',
        ),
        (Answer("q1", "n2"), b'{"id":"q1","node":"n2"}'),
        (
            Answer("q1", "n2", 3, False, {"chat:1": 5}),
            b'{"id":"q1","node":"n2","part":3,"last":false,"channels":{"chat:1":5}}',
        ),
    ],
)
def test_a_word_is_on_the_bus_as_every_version_writes_and_reads_it(
    word: Question | Answer, body: bytes
) -> None:
    assert msgspec.json.encode(word) == body
    assert msgspec.json.decode(body, type=type(word)) == word


def test_fields_of_a_younger_version_are_ignored() -> None:
    body = b'{"id": "q1", "asker": "n1", "pattern": "a", "mood": ["good"]}'
    assert msgspec.json.decode(body, type=Question) == Question("q1", "n1", "channels", "a")

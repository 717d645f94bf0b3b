"""What members of chat rooms hear: messages of the rooms, and hints of what they do not look at."""

from load.recording import Recorder
from load.scenarios.chat import ChatListener, Room
from load.wire.connection import Connection
from load.wire.mark import mark
from load.wire.target import Target

MESSAGE = b'{"t":"%s"}' % mark().encode()


async def test_a_hint_that_has_the_message_in_it_is_no_delivery() -> None:
    """A user with several clients is told on each of what it hears only on another."""
    recorder = Recorder("conversation")
    listener = ChatListener(recorder, Room("chat:one", [0, 1], weight=1))
    client = Connection(Target("ws://127.0.0.1:1"), listener)
    message = b'{"push":{"channel":"chat:one","pub":{"data":%s,"offset":7}}}' % MESSAGE
    hint = b'{"push":{"channel":"#mary","pub":{"data":{"last":{"data":%s}}}}}' % MESSAGE
    for document in (message, hint, message, hint, hint):
        listener.pushed(client, document)
    assert (recorder.counts["received"], recorder.counts["unmarked"]) == (2, 3)
    assert listener.room.newest == 7


async def test_a_message_of_another_room_is_not_what_was_due() -> None:
    recorder = Recorder("conversation")
    listener = ChatListener(recorder, Room("chat:two", [2, 3], weight=2))
    client = Connection(Target("ws://127.0.0.1:1"), listener)
    document = b'{"push":{"channel":"chat:one","pub":{"data":{"t":"%s"},"offset":7}}}'
    listener.pushed(client, document % mark(1_000).encode())
    assert recorder.counts["received"] == 1
    # As due for a room of weight 1 it would have added up to 1,000.
    assert recorder.mark_sums["received"] == 2_000
    assert listener.room.newest == 0

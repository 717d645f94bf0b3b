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
    listener = ChatListener(recorder, {"chat:one": Room("chat:one", [0, 1])})
    client = Connection(Target("ws://127.0.0.1:1"), listener)
    message = b'{"push":{"channel":"chat:one","pub":{"data":%s,"offset":7}}}' % MESSAGE
    hint = b'{"push":{"channel":"#mary","pub":{"data":{"last":{"data":%s}}}}}' % MESSAGE
    for document in (message, hint, message, hint, hint):
        listener.pushed(client, document)
    assert (recorder.counts["received"], recorder.counts["unmarked"]) == (2, 3)
    assert listener.rooms["chat:one"].newest == 7

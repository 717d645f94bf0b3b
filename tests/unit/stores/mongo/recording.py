"""What a store asks of its server, command by command."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pymongo import monitoring

Command = Mapping[str, Any]


class _Listener(monitoring.CommandListener):
    """Hears every client made after it was registered, and passes on what is asked for."""

    def __init__(self) -> None:
        self.recordings: dict[str, list[Command]] = {}

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """A command is sent."""
        recording = self.recordings.get(event.database_name)
        if recording is not None:
            recording.append(event.command)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Not needed."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Not needed."""


_LISTENER: Final = _Listener()
monitoring.register(_LISTENER)


@contextlib.contextmanager
def recorded(url: str) -> Iterator[list[Command]]:
    """The commands that go to the URL's database while the block lasts; its client must have been
    made after this module was imported."""
    name = url.partition("?")[0].rpartition("/")[2]
    commands = _LISTENER.recordings[name] = []
    try:
        yield commands
    finally:
        del _LISTENER.recordings[name]


def name_of(command: Command) -> str:
    """A command's name is its first key."""
    return next(iter(command))

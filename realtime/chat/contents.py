"""What may be said in a message: how much, in which format, and what the app's own check says."""

import msgspec

from realtime.chat.caller import Caller
from realtime.chat.hooks import Hook, Question
from realtime.chat.refusals import invalid
from realtime.errors import TOO_LARGE, CallRefused, CommandRefused
from realtime.protocol.json_codec import read_payload
from realtime.settings.schema import ChannelOptions


class Contents:
    """Checks the data of messages and posts. `data_max_bytes` is `client.message_max_bytes`."""

    def __init__(self, *, data_max_bytes: int, hook: Hook | None = None) -> None:
        self._data_max_bytes = data_max_bytes
        self._hook = hook

    @property
    def has_hook(self) -> bool:
        """Whether somebody is asked."""
        return self._hook is not None

    def read(self, data: msgspec.Raw, options: ChannelOptions) -> bytes:
        """The JSON that everybody gets: as it came, but for raw line breaks.

        Raises CallRefused: 413, 422 where it is not what the namespace takes.
        """
        if len(data) > self._data_max_bytes:
            raise CallRefused(TOO_LARGE, field="data")
        try:
            read = read_payload(bytes(data))
        except CommandRefused:
            raise invalid("data") from None
        if options.data_format == "json_object" and not read.lstrip(b" \t").startswith(b"{"):
            raise invalid("data")
        return read

    async def ask(self, caller: Caller, question: Question, options: ChannelOptions) -> bytes:
        """What is to be stored, if the app lets it; the question's data where nobody is asked.

        Raises CallRefused: 103 (why=refused_by_hook), 100, 413, 422.
        """
        if self._hook is None:
            return bytes(question.data)
        return self.read(msgspec.Raw(await self._hook.ask(caller, question)), options)

"""Hearing from hubs that there is a message, in a process that has no clients."""

from realtime.brokers.base import BUS_VERSION, ControlMessage
from realtime.push.waking import PUSH_WAKE, Wake


class WakeEar:
    """Calls `wake` for each word of a hub's that people may have to be told of something.

    To be given to a broker: `received` is a `realtime.brokers.base.ControlReceiver`. `epoch` is the
    store's: words of another deployment on the same bus, or from before a restore, are none. A hub
    says it ten times a second at most; the bus may lose it.
    """

    def __init__(self, epoch: str, wake: Wake) -> None:
        self._epoch = epoch
        self._wake = wake

    def received(self, message: ControlMessage) -> None:
        """The bus brought a word. Never waits."""
        if (
            message.kind == PUSH_WAKE
            and message.epoch == self._epoch
            and message.version <= BUS_VERSION
        ):
            self._wake()

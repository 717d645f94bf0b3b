"""What hubs tell workers, and workers each other, over the bus: hints, which may get lost."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from realtime.brokers.base import BUS_VERSION, Broker, ControlMessage
from realtime.push.waking import PUSH_WAKE, Wake
from workers.gate import Gate
from workers.providers.base import ProviderName

logger = logging.getLogger(__name__)

RESTS: Final = "push_rests"
TOKEN: Final = "push_token"  # noqa: S105 - the name of a word
TOKEN_WANTED: Final = "push_token_wanted"  # noqa: S105 - the name of a word
"""Words between workers."""

REST_MAX_S: Final = 3_600.0
"""The longest rest that is believed, in seconds."""

WHY_MAX: Final = 200
"""Characters of the reason of a rest that are believed."""

TOKEN_MAX: Final = 4_096
"""Characters of the longest token that is believed."""

TOKEN_LIFE_S: Final = 3_600.0
"""How long a token is good at most, in seconds; Apple allows an hour."""

AHEAD_MAX_S: Final = 60.0
"""How far another worker's clock may be ahead, in seconds. A token that was made later than that
would be taken for the newest one for ever."""

ANSWER_S: Final = 1.0
"""How long the others have to say which token they use, in seconds."""


class Rests(msgspec.Struct, frozen=True):
    """A provider is to be left alone for so many seconds."""

    provider: ProviderName
    seconds: float
    why: str


class TokenUsed(msgspec.Struct, frozen=True):
    """The APNs token of this worker, made at `iat` (s since 1970), good until `until`."""

    token: str
    iat: int
    until: float

    def __repr__(self) -> str:
        return f"<TokenUsed {self.iat}>"


class TokenWanted(msgspec.Struct, frozen=True):
    """Which APNs token do the others use?"""


class WorkerWords:
    """The words of one worker, who is `node` on the bus. It is also the `SharedToken` of APNs.

    What other workers say is believed as far as it can do no harm: a token is looked at again by
    who uses it, and a rest has an end.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        node: str,
        epoch: str,
        wake: Wake,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._broker = broker
        self._node = node
        self._epoch = epoch
        self._wake = wake
        self._wall = wall
        self._token: TokenUsed | None = None
        self._came = asyncio.Event()
        self.gates: dict[ProviderName, Gate] = {}
        """The providers that others speak of; to be filled before anything is heard."""

    def __repr__(self) -> str:
        return f"<WorkerWords of {self._node}>"

    # Hearing.

    def receive(self, message: ControlMessage) -> None:
        """See `realtime.brokers.base.ControlReceiver`."""
        if message.node == self._node or message.version > BUS_VERSION:
            return
        if message.epoch != self._epoch:
            return
        if message.kind == PUSH_WAKE:
            self._wake()
        elif message.kind == RESTS and (rests := _read(message, Rests)):
            gate = self.gates.get(rests.provider)
            if gate is not None and 0 < rests.seconds <= REST_MAX_S:
                gate.rest(rests.seconds, rests.why[:WHY_MAX])
        elif message.kind == TOKEN and (used := _read(message, TokenUsed)):
            self._keep(used)
        elif message.kind == TOKEN_WANTED and self._token is not None:
            self._tell(TOKEN, self._token, to=message.node)

    def _keep(self, used: TokenUsed) -> None:
        now = self._wall()
        if used.iat > now + AHEAD_MAX_S or used.until > now + TOKEN_LIFE_S + AHEAD_MAX_S:
            return
        if len(used.token) > TOKEN_MAX:
            return
        if self._token is None or used.iat > self._token.iat:
            self._token = used
        self._came.set()

    # Telling.

    def tell_rest(self, provider: ProviderName, seconds: float, why: str) -> None:
        """Have the others leave a provider alone, too. Never waits."""
        self._tell(RESTS, Rests(provider, seconds, why))

    def _tell(self, kind: str, body: msgspec.Struct, *, to: str | None = None) -> None:
        encoded = msgspec.json.encode(body)
        self._broker.control(ControlMessage(self._node, kind, encoded, epoch=self._epoch), to=to)

    # The shared token (`workers.providers.apns.tokens.SharedToken`).

    async def get(self) -> tuple[str, int] | None:
        """The token that the others use, as far as they say."""
        if self._token is None:
            self._came.clear()
            self._tell(TOKEN_WANTED, TokenWanted())
            try:
                async with asyncio.timeout(ANSWER_S):
                    await self._came.wait()
            except TimeoutError:
                return None
        used = self._token
        if used is None or used.until < self._wall():
            return None
        return used.token, used.iat

    async def put(self, token: str, iat: int, ttl: int) -> None:
        """Tell the others."""
        self._token = TokenUsed(token, iat, self._wall() + ttl)
        self._tell(TOKEN, self._token)


def _read(message: ControlMessage, body: type[Any]) -> Any:
    """What a word says; None for what cannot be read."""
    try:
        return msgspec.json.decode(message.body, type=body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        logger.info("a word of kind %s cannot be read", message.kind)
        return None

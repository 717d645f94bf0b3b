"""What is played, and in whose words: workloads and dialects as arguments of `wsload`. Pure."""

import json
from typing import Final, NamedTuple

from tests.support.tokens import connection_token

CHANNEL: Final = "~channel~"
"""In a dialect's frames: where the name of the channel goes."""

FEED: Final = "feed"
ROOM: Final = "r%g"
ROOMS: Final = 100


class Workload(NamedTuple):
    """How many connect, and what they publish; without messages they only connect.

    Without `rooms` one publishes and all receive. With rooms everybody publishes in turn, each into
    its own. `window` messages are on their way at any time.
    """

    connections: int
    messages: int = 0
    window: int = 1
    rooms: int = 0

    def scaled(self, scale: float) -> "Workload":
        """The same with fewer messages, or, if there are none, fewer connections."""
        if self.messages:
            return self._replace(messages=max(1, round(self.messages * scale)))
        return self._replace(connections=max(1, round(self.connections * scale)))

    @property
    def words(self) -> list[str]:
        """As arguments of `wsload`."""
        words = ["--conns", str(self.connections)]
        if self.rooms:
            per = self.connections // self.rooms
            words += ["--groups", str(self.rooms), "--per", str(per)]
            words += ["--pubconns", str(self.connections)]
        if self.messages:
            words += ["--msgs", str(self.messages), "--window", str(self.window)]
        return words


class Dialect(NamedTuple):
    """What a server is told. Frames are text, or binary where `binary` is set.

    `opening` are the frames of a new connection, and waits between them. `rooms_path` is for
    servers that find the channel in the path.
    """

    path: str
    opening: tuple[str, ...] = ()
    publish: str = ""
    ping: str = ""
    pong: str = ""
    rooms_path: str = ""
    binary: bool = False
    settle_ms: int = 300
    """How long after the last opening all are taken to be subscribed."""

    def words(self, workload: Workload) -> list[str]:
        """As arguments of `wsload`."""
        channel = ROOM if workload.rooms else FEED
        path = self.rooms_path if workload.rooms and self.rooms_path else self.path
        words = ["--path", path, "--settle", str(self.settle_ms)]
        for frame in self.opening:
            is_wait = frame.startswith("@wait:")
            words.append("--initb" if self.binary and not is_wait else "--init")
            words.append(frame.replace(CHANNEL, channel))
        if self.ping:
            words += ["--ping", self.ping, "--pong", self.pong]
        if workload.messages:
            words.append("--pubb" if self.binary else "--pub")
            words.append(self.publish.replace(CHANNEL, channel))
        return words + workload.words


def _json(document: object) -> str:
    return json.dumps(document, separators=(",", ":"))


def wire(namespace: str = "", token: str | None = None) -> Dialect:
    """The hub's own protocol, or the reference server's; `token` None is one token for all."""
    claim = connection_token("load") if token is None else token
    channel = f"{namespace}:{CHANNEL}" if namespace else CHANNEL
    publish = {"channel": channel, "data": {"t": "%T"}}
    return Dialect(
        path="/connection/websocket",
        opening=(
            _json({"id": 1, "connect": {"token": claim} if claim else {}}),
            _json({"id": 2, "subscribe": {"channel": channel}}),
            '@wait:"id":2',
        ),
        publish=_json({"id": 3, "publish": publish}),
        ping="{}",
        pong="{}",
    )


YARDSTICK: Final = Dialect(
    path="/",
    publish=_json({"push": {"channel": FEED, "pub": {"data": {"t": "%T"}, "offset": 1}}}),
)
"""`fanlimit` sends whatever it gets, so it is given what a hub's delivery looks like."""

ONE_TO_1000: Final = Workload(1_000, 500)
ONE_TO_100: Final = Workload(100, 30_000, window=20)
IN_ROOMS: Final = Workload(1_000, 20_000, window=64, rooms=ROOMS)
CONNECTING: Final = Workload(10_000)

LIMIT_1000: Final = Workload(1_000, 300)
LIMIT_100: Final = Workload(100, 3_000, window=20)
"""The yardstick has no use for as many messages as a hub that joins frames."""

"""Ways to take something away from a user, and what is left of it two seconds later."""

import asyncio
import contextlib
import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.attentive_client import AttentiveClient, open_client
from tests.support.processes import HubProcess
from tests.support.server_api import ServerApi
from tests.support.tokens import connection_token, subscription_token

CUT_S: Final = 2.0
"""Within which what was taken away is gone on every node (targets.md)."""

AFTER_S: Final = 0.7
"""How long the publishers go on after the time is over."""

ROUND_S: Final = 0.25
"""Between two rounds of each hub's publisher."""

NAMESPACES: Final[Mapping[str, Mapping[str, Any]]] = {
    # Whoever is out neither reads nor sees who is there.
    "inner": {
        "history_size": -1,
        "presence": True,
        "subscribe": ["user"],
        "publish": ["user"],
        "read_history": ["subscriber"],
        "read_presence": ["subscriber"],
    }
}


@dataclass(frozen=True, slots=True)
class Taking:
    """One way: the server API's `method` with its parameters, and the codes that follow.

    A connection that stays is told `unsubscribed`; then `subscribe` with recovery is answered with
    the code `subscribe` (0: it may come back), and history and presence with 103. One that does not
    is closed with `closed`, and a new one with the same token with `reconnect` (0: it may come).
    """

    name: str
    method: str
    parameters: Mapping[str, str]
    namespace: str = "chat"
    unsubscribed: int = 0
    subscribe: int = 0
    closed: int = 0
    reconnect: int = 0


TAKINGS: Final = (
    Taking("kicked", "unsubscribe", {"user": "USER", "channel": "CHANNEL"}, "inner", 2000),
    Taking("thrown out", "disconnect", {"user": "USER"}, closed=3503),
    Taking("revoked", "revoke", {"user": "USER"}, closed=3500, reconnect=3500),
    Taking("token revoked", "revoke", {"jti": "JTI"}, closed=3500, reconnect=3500),
    Taking("subscription revoked", "revoke", {"jti": "SUB"}, "closed", 2501, 103),
    Taking("banned there", "ban", {"user": "USER", "channel": "CHANNEL"}, "chat", 2000, 103),
    Taking("banned", "ban", {"user": "USER"}, closed=3507, reconnect=3507),
)


@dataclass(slots=True)
class Victim:
    """One user with a connection on every node, to whom one `Taking` happens."""

    taking: Taking
    room: str
    hubs: Sequence[HubProcess]
    clients: list[AttentiveClient] = field(default_factory=list)
    ordered_at: float = 0.0
    breaches: list[str] = field(default_factory=list)
    _token: str = ""
    _positions: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        # Once: a token that is made after a revocation is not revoked.
        self._token = connection_token(self.user, jti=f"jti-{self.user}")

    @property
    def user(self) -> str:
        """Nobody else's id."""
        return f"{self.taking.name.replace(' ', '-')}-{self.room}"

    @property
    def channel(self) -> str:
        """Nobody else's channel."""
        return f"{self.taking.namespace}:{self.user}"

    async def join(self, stack: contextlib.AsyncExitStack) -> None:
        """Connect to every node and subscribe there."""
        for hub in self.hubs:
            client = await stack.enter_async_context(open_client(hub.websocket_url))
            assert "connect" in await client.connect(self._token)
            reply = await client.command("subscribe", **self._subscription())
            self._positions.append(
                {
                    "epoch": reply["subscribe"]["epoch"],
                    "offset": reply["subscribe"].get("offset", 0),
                }
            )
            for method in ("history", "presence"):
                assert await client.error(method, channel=self.channel) == 0
            self.clients.append(client)

    async def hears_every_hub(self) -> None:
        """Wait until each connection has heard what was published through each hub."""
        for client in self.clients:
            await client.until(functools.partial(self._heard_all, client))

    def _heard_all(self, client: AttentiveClient) -> bool:
        heard = {told.body["data"]["hub"] for told in client.pushes("pub", self.channel)}
        return len(heard) == len(self.hubs)

    async def suffer(self, api: ServerApi) -> None:
        """Have it taken away, and see what is left when its time is over."""
        names = {"USER": self.user, "CHANNEL": self.channel}
        names |= {"JTI": f"jti-{self.user}", "SUB": f"sub-{self.user}"}
        parameters = {key: names[name] for key, name in self.taking.parameters.items()}
        self.ordered_at = time.monotonic()
        await api.call(self.taking.method, **parameters)
        await asyncio.sleep(self.ordered_at + CUT_S - time.monotonic())
        for number, client in enumerate(self.clients):
            for breach in await self._left(client, self.hubs[number], self._positions[number]):
                self.breaches.append(f"{self.taking.name}, node {number}: {breach}")

    def judge(self) -> Iterator[str]:
        """What did not come in time, or came after it; once nothing is published any more."""
        yield from self.breaches
        for number, (told_s, last_s) in enumerate(self.times()):
            if told_s > CUT_S:
                yield f"{self.taking.name}, node {number}: told after {told_s:.2f} s"
            if last_s > CUT_S:
                yield f"{self.taking.name}, node {number}: delivered after {last_s:.2f} s"

    def times(self) -> Iterator[tuple[float, float]]:
        """For each node, seconds from the order to the word of it, and to the last delivery."""
        for client in self.clients:
            told = [told.at for told in client.pushes("unsubscribe", self.channel)]
            told += [] if client.closed_at is None else [client.closed_at]
            heard = [told.at for told in client.pushes("pub", self.channel)]
            yield min(told, default=float("inf")) - self.ordered_at, heard[-1] - self.ordered_at

    def _subscription(self) -> dict[str, str]:
        if self.taking.namespace != "closed":
            return {"channel": self.channel}
        token = subscription_token(self.user, self.channel, jti=f"sub-{self.user}")
        return {"channel": self.channel, "token": token}

    async def _left(
        self, client: AttentiveClient, hub: HubProcess, position: Mapping[str, Any]
    ) -> list[str]:
        taking = self.taking
        if taking.closed:
            if client.close_code != taking.closed:
                return [f"closed with {client.close_code}"]
            code = await self._reconnect(hub)
            return [] if code == taking.reconnect else [f"a new connection got {code}"]
        told = [push.body["code"] for push in client.pushes("unsubscribe", self.channel)]
        breaches = [] if told == [taking.unsubscribed] else [f"told {told}"]
        for method in ("history", "presence"):
            code = await client.error(method, channel=self.channel)
            breaches += [] if code == 103 else [f"{method} answered with {code}"]
        if taking.subscribe:
            code = await client.error("subscribe", **self._subscription(), recover=True, **position)
            breaches += [] if code == taking.subscribe else [f"recovery answered with {code}"]
        return breaches

    async def _reconnect(self, hub: HubProcess) -> int:
        async with open_client(hub.websocket_url) as client:
            try:
                reply = await client.connect(self._token)
            except ConnectionError as error:
                return int(error.args[0])
            return int(reply.get("error", {}).get("code", 0))


@dataclass(slots=True)
class Publishers:
    """One for each hub, that says something in every channel again and again."""

    apis: Sequence[ServerApi]
    channels: Sequence[str]
    _stopped: asyncio.Event = field(default_factory=asyncio.Event)

    def stop(self) -> None:
        """Publish no more, after the round that is under way."""
        self._stopped.set()

    async def run(self, number: int) -> None:
        """Publish through one hub until `stop`."""
        while not self._stopped.is_set():
            for channel in self.channels:
                await self.apis[number].call("publish", channel=channel, data={"hub": number})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ROUND_S):
                    await self._stopped.wait()

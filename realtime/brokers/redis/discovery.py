"""Finding out which servers there are: one, the master that Sentinels know, or a cluster's."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import msgspec
from redis.asyncio.connection import AbstractConnection
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import AuthenticationError, ResponseError

from realtime.brokers.redis.address import Server
from realtime.brokers.redis.connecting import FAILURES, Connector, ask, close
from realtime.brokers.redis.doubt import Doubt

_SHARDED_SINCE: Final = 7
"""The first major version with SPUBLISH. Older clusters carry each PUBLISH to every node."""


class Topology(msgspec.Struct, frozen=True):
    """The servers to be linked to; with sharding, `slots` says which of them has each slot."""

    servers: tuple[Server, ...]
    slots: tuple[int, ...] | None = None

    def index(self, topic: bytes) -> int:
        """Which of the servers carries a topic."""
        return 0 if self.slots is None else self.slots[key_slot(topic)]


class Discovery:
    """Asks the servers of an address, each in its turn, what there is."""

    def __init__(self, connector: Connector, ask_s: float) -> None:
        self._connector = connector
        self._ask_s = ask_s
        self._known: tuple[Server, ...] = ()

    async def topology(self) -> Topology:
        """What there is now. Raises what is in FAILURES if nobody could say."""
        seeds = self._connector.address.servers
        # Of a cluster others may be there when those in the URL are not.
        candidates = dict.fromkeys((*seeds, *self._known))
        failure: BaseException | None = None
        for server in candidates:
            try:
                found = await self._ask(server)
            except FAILURES as error:
                failure = failure or error
            else:
                if found.slots is not None:
                    self._known = found.servers
                return found
        assert failure is not None, "an address has a server"
        raise failure

    async def _ask(self, server: Server) -> Topology:
        address = self._connector.address
        if address.service:
            return Topology((await self._master(server),))
        async with self._open(server) as connection:
            mode, major = await self._kind(connection)
            if mode != "cluster":
                if len(address.servers) > 1:
                    # Nodes that chose differently among them would not hear each other.
                    raise Doubt(f"{server} is no cluster's, but the URL lists several servers")
                return Topology((server,))
            if major < _SHARDED_SINCE:
                return Topology((server,))
            return _shards(await self._command(connection, "CLUSTER", "SLOTS"), server)

    async def _kind(self, connection: AbstractConnection) -> tuple[str, int]:
        """The server's mode and major version."""
        try:
            text = (await self._command(connection, "INFO", "server")).decode(errors="replace")
        except ResponseError:  # a user that may not ask; a cluster's user must
            return "unknown", 0
        fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        major = fields.get("redis_version", "").split(".")[0]
        return fields.get("redis_mode", ""), int(major) if major.isdigit() else 0

    async def _master(self, sentinel: Server) -> Server:
        """The master's address, from one Sentinel."""
        service = self._connector.address.service
        command = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", service)
        try:
            # Sentinels have credentials of their own, most often none,
            async with self._open(sentinel, authenticate=False) as connection:
                found = await self._command(connection, *command)
        except (AuthenticationError, ResponseError):
            # or the same as the servers.
            async with self._open(sentinel) as connection:
                found = await self._command(connection, *command)
        if not found:
            raise Doubt(f"{sentinel} knows no master of the service")
        return Server(found[0].decode(), int(found[1]))

    async def _command(self, connection: AbstractConnection, *command: str) -> Any:
        return await ask(connection, self._ask_s, *command)

    @contextlib.asynccontextmanager
    async def _open(
        self, server: Server, *, authenticate: bool = True
    ) -> AsyncIterator[AbstractConnection]:
        sentinel = bool(self._connector.address.service)
        connection = await self._connector.open(server, authenticate=authenticate, db=not sentinel)
        try:
            yield connection
        finally:
            await close(connection)


def _shards(ranges: Sequence[Any], asked: Server) -> Topology:
    """Read CLUSTER SLOTS: (first slot, last slot, (host, port, …) of the master, …) for each."""
    owners: dict[int, Server] = {}
    for first, last, master, *_ in ranges:
        # A node that does not know under which name it is reached says so with nothing or "?".
        host = (master[0] or b"?").decode()
        server = Server(asked.host if host == "?" else host, master[1])
        owners.update(dict.fromkeys(range(first, last + 1), server))
    if len(owners) < REDIS_CLUSTER_HASH_SLOTS:
        raise Doubt(f"the cluster has no master for some of its slots, says {asked}")
    servers = tuple(dict.fromkeys(sorted(set(owners.values()), key=str)))
    index = {server: number for number, server in enumerate(servers)}
    slots = tuple(index[owners[slot]] for slot in range(REDIS_CLUSTER_HASH_SLOTS))
    return Topology(servers, slots)

"""The connection: every timeout explicit, every answer durable, and where it leads to.

A URL may say more than where: its options are PyMongo's, but those that promises hang on, and the
timeouts, are set here over whatever it says.
"""

from typing import Any, Final

import msgspec
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from realtime.errors import StoreError
from realtime.stores.mongo.cancellation import make_cancellation_safe
from realtime.stores.mongo.pace import Pace

DATABASE: Final = "realtime"
"""The name of the database where the URL has none."""

Document = dict[str, Any]
Collection = AsyncCollection[Document]


class Timeouts(msgspec.Struct, frozen=True):
    """What bounds one call to the server, in seconds.

    `select_s`: for a primary to be found. `connect_s`: for a connection. `socket_s`: for an answer
    of the server, which is longer than `write_s`: for a majority to have a write in its journals.
    `queue_s`: for a connection of the pool to become free. PyMongo tries once more by itself where
    the deployment lets it, so a call may take twice as long.
    """

    select_s: float = 5.0
    connect_s: float = 5.0
    socket_s: float = 10.0
    write_s: float = 8.0
    queue_s: float = 5.0


DEFAULT_TIMEOUTS: Final = Timeouts()
"""For a server in the same region."""


class Database:
    """The store's collections. Made on the loop that uses them; `close` lets go.

    `place` names hosts and database for messages, and has nothing of user or password. `pace` is
    what its queries take.
    """

    def __init__(self, url: str, timeouts: Timeouts, *, pool_max: int) -> None:
        """Connects with the first call. Raises StoreError for a URL that is none."""
        make_cancellation_safe()
        # The library's own words may quote parts of the URL.
        invalid = StoreError("the store's URL is not one that MongoDB's drivers understand")
        try:
            self._client: AsyncMongoClient[Document] = AsyncMongoClient(
                url,
                appname="realtime",
                serverSelectionTimeoutMS=_ms(timeouts.select_s),
                connectTimeoutMS=_ms(timeouts.connect_s),
                socketTimeoutMS=_ms(timeouts.socket_s),
                waitQueueTimeoutMS=_ms(timeouts.queue_s),
                # The client's own deadline would replace all of the above, and the write concern's.
                timeoutMS=None,
                maxPoolSize=pool_max,
                # Opening connections is what a burst waits for.
                maxConnecting=8,
            )
            name = self._client.get_default_database(DATABASE).name
            database = self._client.get_database(
                name,
                read_preference=ReadPreference.PRIMARY,
                read_concern=ReadConcern("majority"),
                write_concern=WriteConcern("majority", j=True, wtimeout=_ms(timeouts.write_s)),
            )
        except (PyMongoError, ValueError):
            raise invalid from None
        self.pace = Pace()
        self.place = f"MongoDB {_hosts(url)}/{name}"
        self._take_collections(database)

    def _take_collections(self, database: AsyncDatabase[Document]) -> None:
        self.meta = database.get_collection("meta")
        self.channels = database.get_collection("channels")
        self.entries = database.get_collection("entries")
        self.revocations = database.get_collection("revocations")
        self.claims = database.get_collection("claims")
        self.nodes = database.get_collection("nodes")
        self.tasks = database.get_collection("tasks")
        self.presence = database.get_collection("presence")
        self._database = database

    def collection(self, name: str) -> Collection:
        """The collection of this name: of a table, or one of the others."""
        return self._database.get_collection(name)

    async def close(self) -> None:
        """Close every connection; calls under way fail. Idempotent."""
        await self._client.close()


def _ms(seconds: float) -> int:
    return max(round(seconds * 1000), 1)


def _hosts(url: str) -> str:
    """The hosts of a URL that the driver has accepted: it refuses an "@" or "/" in a password."""
    return url.partition("://")[2].partition("?")[0].partition("/")[0].rpartition("@")[2]

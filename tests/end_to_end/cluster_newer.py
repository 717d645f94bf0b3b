"""A hub of a later minor version, as far as others can tell: `python -m <this module> COMMAND …`.

Whatever it writes has something in it that this version does not know.
"""

import sys
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from pymongo import UpdateOne
from pymongo.asynchronous.collection import AsyncCollection

from realtime import wiring
from realtime.brokers.redis import codec
from realtime.cli import main
from realtime.hub import hub
from realtime.hub.peers import Peers
from realtime.stores.base import NodeInfo

VERSION: Final = "99.1.0"
MODULE: Final = "tests.end_to_end.cluster_newer"
FIELD: Final = "later"
"""What is new in its documents."""


class _NewerBus(codec._Bus, array_like=True, frozen=True, gc=False):
    later: tuple[str, int] = ("what", 1)
    even_later: str = "?"


class _NewerControl(codec._Control, array_like=True, frozen=True, gc=False):
    later: tuple[int, ...] = (1,)


class _NewerInfo(NodeInfo, frozen=True, gc=False):
    later: str = "?"


class _Word(msgspec.Struct, frozen=True):
    later: str = "?"


def talk() -> None:
    """Put more into each message, and say what nobody understands."""
    wiring.__version__ = VERSION  # type: ignore[attr-defined]
    codec._Bus = _NewerBus  # type: ignore[misc]
    codec._Control = _NewerControl  # type: ignore[misc]
    hub.NodeInfo = _NewerInfo  # type: ignore[attr-defined]
    tell = Peers.tell

    def tell_more(self: Peers, kind: str, body: msgspec.Struct, *, to: str | None = None) -> None:
        tell(self, "later", _Word(), to=to)
        tell(self, kind, body, to=to)

    Peers.tell = tell_more  # type: ignore[method-assign]


def write() -> None:
    """Put one more field into each document."""
    one, many, bulk = (
        AsyncCollection.insert_one,
        AsyncCollection.insert_many,
        AsyncCollection.bulk_write,
    )

    async def insert_one(self: Any, document: dict[str, Any], *args: Any, **options: Any) -> Any:
        document[FIELD] = 1
        return await one(self, document, *args, **options)

    async def insert_many(
        self: Any, documents: Sequence[dict[str, Any]], *args: Any, **options: Any
    ) -> Any:
        for document in documents:
            document[FIELD] = {"what": [1]}
        return await many(self, documents, *args, **options)

    async def bulk_write(self: Any, writes: Sequence[Any], *args: Any, **options: Any) -> Any:
        for write in writes:
            if isinstance(write, UpdateOne):
                write._doc.setdefault("$set", {})[FIELD] = 1  # type: ignore[union-attr]
        return await bulk(self, writes, *args, **options)

    AsyncCollection.insert_one = insert_one  # type: ignore[assignment, method-assign]
    AsyncCollection.insert_many = insert_many  # type: ignore[assignment, method-assign]
    AsyncCollection.bulk_write = bulk_write  # type: ignore[assignment, method-assign]


if __name__ == "__main__":
    talk()
    write()
    sys.exit(main())

"""All that is in a store or on a bus, read without any code of ours: as somebody with a copy would.

Everything here blocks.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import bson
import redis
from pymongo import MongoClient

Rows = Mapping[str, list[dict[str, Any]]]

_ANSWER_MS: Final = 10_000


def sqlite_rows(database: Path) -> Rows:
    """Every row of every table, in an order that says nothing."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: sorted(
                (dict(row) for row in connection.execute(f'SELECT * FROM "{name}"')),  # noqa: S608 - its own name
                key=repr,
            )
            for (name,) in names
        }


def sqlite_files(database: Path) -> Iterator[tuple[str, bytes]]:
    """The database and every file beside it that has its name: the log, what a copy left."""
    for path in sorted(database.parent.glob(f"{database.name}*")):
        yield path.name, path.read_bytes()


def mongo_documents(url: str) -> Iterator[tuple[str, bytes]]:
    """Every document of every collection, as BSON, with where it is."""
    with closing(MongoClient[dict[str, Any]](url, timeoutMS=_ANSWER_MS)) as client:
        for database in client.list_database_names():
            if database in ("admin", "local", "config"):
                continue
            for collection in client[database].list_collection_names():
                for document in client[database][collection].find({}):
                    yield f"{database}.{collection}", bson.encode(document)


def redis_values(url: str) -> Iterator[tuple[str, bytes]]:
    """Every key with its value as Redis would dump it, and every channel that is subscribed to."""
    with closing(redis.Redis.from_url(url, socket_timeout=_ANSWER_MS / 1000)) as client:
        for key in client.scan_iter():
            yield repr(key), key + (client.dump(key) or b"")
        for channel in client.pubsub_channels():
            yield "subscribed", channel.encode() if isinstance(channel, str) else channel


def holders(contents: Iterator[tuple[str, bytes]], planted: Mapping[str, bytes]) -> list[str]:
    """Where something that was planted is, by what it was planted as."""
    return [
        f"{what} in {place}"
        for place, data in contents
        for what, text in planted.items()
        if text in data
    ]

"""What is wrong with `store` and `broker`, and with several nodes over them."""

import re
from collections.abc import Iterator
from typing import Final

from realtime.settings.broker_url import broker_kind
from realtime.settings.contradiction import Contradiction
from realtime.settings.schema import Settings
from realtime.settings.store_url import store_kind

_PREFIX: Final = re.compile(r"[A-Za-z0-9_:.-]{1,64}")

_STORE: Final = ("store", "url")
_BROKER: Final = ("broker", "url")
_WORKERS: Final = ("server", "workers")


def node_contradictions(settings: Settings) -> Iterator[Contradiction]:
    """Name all that is wrong in `store` and `broker`, and between them and `server.workers`."""
    store = broker = None
    try:
        store = store_kind(settings.store.url)
    except ValueError as error:
        yield Contradiction((_STORE,), str(error))
    try:
        broker = broker_kind(settings.broker.url)
    except ValueError as error:
        yield Contradiction((_BROKER,), str(error))
    if not _PREFIX.fullmatch(settings.broker.prefix):
        text = "expected letters, digits, `_`, `-`, `:` and `.`, at least one and at most 64"
        yield Contradiction((("broker", "prefix"),), text)
    if store is None or broker is None:
        return
    if settings.server.workers > 1:
        yield from _of_workers(store, broker)
    elif store == "sqlite" and broker == "redis":
        yield Contradiction(
            (_STORE, _BROKER),
            "Redis carries events between nodes that share a store, and an SQLite database is one "
            'process\'s own; take "mongodb://…" for the store, or "memory://" for the broker',
        )


def _of_workers(store: str, broker: str) -> Iterator[Contradiction]:
    """Say it once, with the paths of what is missing."""
    paths = [_WORKERS]
    missing = []
    if store != "mongodb":
        paths.append(_STORE)
        missing.append("MongoDB (to share one log)")
    if broker != "redis":
        paths.append(_BROKER)
        missing.append("Redis (to hear of one another's messages)")
    if missing:
        yield Contradiction(
            tuple(paths),
            f"each worker is a node of its own; more than one needs {' and '.join(missing)}",
        )

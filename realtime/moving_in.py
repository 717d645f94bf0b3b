"""An import, put together: a store, the service that folds what is imported, and a file."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import uvloop

from realtime.channels.rules import RuleBook
from realtime.chat.contents import Contents
from realtime.chat.importing import Import, Progress
from realtime.chat.memberships import KeptMemberships
from realtime.chat.quiet_stage import QuietStage
from realtime.chat.service import ChatService
from realtime.errors import CommandRefused
from realtime.hub.clock import Clock
from realtime.server.process import finished
from realtime.settings.schema import ChannelOptions, Settings
from realtime.wiring import STORE_CLOSE_S, make_store

LINE_MAX_BYTES: Final = 16 * 1024 * 1024
"""The longest line that is read."""


def import_file(
    settings: Settings, path: Path, *, name: str, told: Callable[[Progress], None]
) -> Progress:
    """Import a file of JSON lines. Raises ImportRefused, StoreError and OSError.

    With SQLite the hub must be stopped; with MongoDB hubs may run, and see what was imported with
    the next `chat.sync`.
    """
    return uvloop.run(_import(settings, path, name, told))


async def _import(
    settings: Settings, path: Path, name: str, told: Callable[[Progress], None]
) -> Progress:
    store = make_store(settings.store.url, on_commit=lambda rows, seconds: None)
    rules = RuleBook(settings.channels, settings.namespaces)
    clock = Clock()
    try:
        await store.open()
        service = ChatService(
            store=store,
            stage=QuietStage(store, rules),
            memberships=KeptMemberships(store, clock),
            clock=clock,
            settings=settings.chat,
            namespaces=settings.namespaces,
            data_max_bytes=settings.client.message_max_bytes,
        )

        def options(channel: str) -> ChannelOptions | None:
            try:
                return rules.resolve(channel).rules.options
            except CommandRefused:
                return None

        contents = Contents(data_max_bytes=settings.client.message_max_bytes)
        importing = Import(
            store,
            service.ledger,
            clock,
            options=options,
            contents=contents,
            settle=service.direct_blocks.settle,
            told=told,
        )
        return await importing.run(name, _lines(path))
    finally:
        await finished(store.close(), STORE_CLOSE_S)


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while line := file.readline(LINE_MAX_BYTES):
            yield line

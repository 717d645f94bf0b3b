"""All that is wrong with settings of which each value, by itself, is of the right type."""

import re
from collections.abc import Iterator
from typing import Final

from realtime.settings.auth_rules import auth_contradictions
from realtime.settings.channel_rules import channel_contradictions
from realtime.settings.client_rules import client_contradictions
from realtime.settings.contradiction import Contradiction
from realtime.settings.schema import Settings
from realtime.settings.server_rules import server_contradictions
from realtime.settings.store_url import FORMS, database_path

MEMORY_BROKER: Final = "memory://"

# What other versions know; the address itself has a password and is not shown.
_ELSEWHERE: Final = re.compile(r"(redis|rediss|mongodb|mongodb\+srv)://")


def contradictions(settings: Settings) -> Iterator[Contradiction]:
    """Name them all; settings without any can be run."""
    yield from server_contradictions(settings)
    yield from auth_contradictions(settings)
    yield from _store(settings.store.url)
    yield from _broker(settings.broker.url)
    yield from client_contradictions(settings)
    yield from channel_contradictions(settings)


def _store(url: str) -> Iterator[Contradiction]:
    try:
        database_path(url)
    except ValueError:
        yield Contradiction((("store", "url"),), _unsupported(url, FORMS))


def _broker(url: str) -> Iterator[Contradiction]:
    if url != MEMORY_BROKER:
        yield Contradiction((("broker", "url"),), _unsupported(url, f'"{MEMORY_BROKER}"'))


def _unsupported(url: str, forms: str) -> str:
    if known := _ELSEWHERE.match(url):
        return f"{known[0]} is not supported by this version; expected {forms}"
    return f"expected {forms}"

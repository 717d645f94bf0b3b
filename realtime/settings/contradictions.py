"""All that is wrong with settings of which each value, by itself, is of the right type."""

from collections.abc import Iterator

from realtime.settings.auth_rules import auth_contradictions
from realtime.settings.channel_rules import channel_contradictions
from realtime.settings.client_rules import client_contradictions
from realtime.settings.contradiction import Contradiction
from realtime.settings.node_rules import node_contradictions
from realtime.settings.push_rules import push_contradictions
from realtime.settings.schema import Settings
from realtime.settings.server_rules import server_contradictions


def contradictions(settings: Settings) -> Iterator[Contradiction]:
    """Name them all; settings without any can be run."""
    yield from server_contradictions(settings)
    yield from auth_contradictions(settings)
    yield from node_contradictions(settings)
    yield from client_contradictions(settings)
    yield from channel_contradictions(settings)
    yield from push_contradictions(settings)

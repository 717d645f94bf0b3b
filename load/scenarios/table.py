"""All scenarios by name."""

from collections.abc import Mapping
from typing import Final

from load.scenarios.base import Scenario
from load.scenarios.chat import Chat
from load.scenarios.connect import Connect
from load.scenarios.fanout import Fanout
from load.scenarios.presence import Presence
from load.scenarios.push import Push
from load.scenarios.recovery import Recovery
from load.scenarios.rooms import Rooms
from load.scenarios.slow import Slow
from load.scenarios.soak import Soak

SCENARIOS: Final[Mapping[str, type[Scenario]]] = {
    scenario.name: scenario
    for scenario in (Connect, Fanout, Rooms, Recovery, Presence, Slow, Chat, Push, Soak)
}
"""In the order that `--help` and the README have."""

"""How fast clients may go: per connection, per user and per address, commands and publishes."""

from typing import Final

from realtime.hub.client import Client
from realtime.limits.addresses import address_key
from realtime.limits.buckets import KeyedBuckets, Rate, admit
from realtime.settings.schema import LimitsSettings

KEYS_MAX: Final = 100_000
"""Users, and addresses, whose rates are remembered at once."""


class RateLimits:
    """All limits together; a command must be within each of them."""

    def __init__(self, settings: LimitsSettings) -> None:
        self._commands = Rate(
            settings.connection_commands_per_s, settings.connection_commands_burst
        )
        self._publishes = Rate(
            settings.connection_publishes_per_s, settings.connection_publishes_burst
        )
        self._user_commands = _keyed(settings.user_commands_per_s, settings.user_commands_burst)
        self._user_publishes = _keyed(settings.user_publishes_per_s, settings.user_publishes_burst)
        self._address_commands = _keyed(
            settings.address_commands_per_s, settings.address_commands_burst
        )
        self._address_publishes = _keyed(
            settings.address_publishes_per_s, settings.address_publishes_burst
        )
        self.enabled = any(
            rate.enabled
            for rate in (
                self._commands,
                self._publishes,
                self._user_commands.rate,
                self._user_publishes.rate,
                self._address_commands.rate,
                self._address_publishes.rate,
            )
        )

    def admit_command(self, client: Client, now: float) -> bool:
        """Whether the client may make one more command of any kind; it is then counted."""
        tat = admit(client.command_tat, now, self._commands)
        if tat is None:
            return False
        client.command_tat = tat
        return self._within(client, now, self._user_commands, self._address_commands)

    def admit_publish(self, client: Client, now: float) -> bool:
        """Whether the client may publish once more; it is then counted."""
        tat = admit(client.publish_tat, now, self._publishes)
        if tat is None:
            return False
        client.publish_tat = tat
        return self._within(client, now, self._user_publishes, self._address_publishes)

    def _within(
        self, client: Client, now: float, users: KeyedBuckets[str], addresses: KeyedBuckets[str]
    ) -> bool:
        if users.rate.enabled and client.user and users.admit(client.user, now):
            return False
        if addresses.rate.enabled:
            return not addresses.admit(address_key(client.transport.address), now)
        return True


def _keyed(per_s: float, burst: float) -> KeyedBuckets[str]:
    return KeyedBuckets(Rate(per_s, burst), KEYS_MAX)

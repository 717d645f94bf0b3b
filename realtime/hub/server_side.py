"""Channels that a connection is subscribed to as it connects, without asking (protocol 3.6)."""

from collections.abc import Coroutine, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from realtime.auth.claims import ConnectionClaims, Override
from realtime.auth.identity import Identity
from realtime.channels.rules import Channel, RuleBook
from realtime.chat.standing import Standing
from realtime.errors import BAD_REQUEST, CHANNEL_LIMIT, CommandRefused, ConnectionRefused
from realtime.hub.access import Access
from realtime.hub.client import Client
from realtime.hub.grants import Grant
from realtime.model import Position
from realtime.protocol.commands import SubscribeRequest

_NOTHING: Final[Mapping[str, Standing]] = {}


class Wanted(NamedTuple):
    """A channel to subscribe a client to, on which terms, and from where it recovers."""

    channel: Channel
    grant: Grant
    since: Position | None


class ServerSide:
    """Finds out what a client is subscribed to.

    `personal_namespace` is None where users have no personal channel.
    """

    def __init__(
        self,
        *,
        personal_namespace: str | None,
        channels_max: int,
        rules: RuleBook,
        access: Access,
    ) -> None:
        self._personal_namespace = personal_namespace
        self._channels_max = channels_max
        self._rules = rules
        self._access = access

    def granted(self, identity: Identity, claims: ConnectionClaims | None) -> dict[str, Grant]:
        """What the token, or being that user, gives. Raises CommandRefused (107)."""
        names: dict[str, Grant] = {}
        if claims is not None:
            for name in claims.channels:
                names[name] = Grant(by_server=True, override=claims.override)
            for name, options in claims.subs.items():
                names[name] = Grant(
                    by_server=True,
                    chan_info=options.info,
                    data=options.data,
                    override=_merged(claims.override, options.override),
                )
        personal = self.personal(identity.user)
        if personal is not None:
            # `#1,2` would be a channel of the users 1 and 2 (protocol 4.1), not of "1,2".
            if "," in identity.user or "#" in identity.user:
                raise CommandRefused(BAD_REQUEST)
            names.setdefault(personal, Grant(by_server=True))
        return names

    def personal(self, user: str) -> str | None:
        """The user's personal channel, None where there is none."""
        namespace = self._personal_namespace
        if namespace is None or not user:
            return None
        return f"{namespace}:#{user}" if namespace else f"#{user}"

    def wanted(
        self,
        client: Client,
        claims: ConnectionClaims | None,
        positions: Mapping[str, SubscribeRequest],
    ) -> Sequence[Wanted] | Coroutine[object, object, Sequence[Wanted]]:
        """Everything to subscribe a client to whose identity is known, and set `client.granted`.

        To be awaited where it must be looked up what the user is in a channel. Raises, at once or
        when awaited: CommandRefused (102 and 107 for a channel that cannot be, 100),
        ConnectionRefused.
        """
        assert client.identity is not None  # the caller has set it
        names = self.granted(client.identity, claims)
        if not names and not positions:
            return ()
        found = [
            Wanted(self._rules.resolve(name), grant, _position(positions.get(name)))
            for name, grant in names.items()
        ]
        client.granted = frozenset(names)
        found += self._asked(client, positions)
        unknown = [item.channel for item in found if not self._access.knows(client, item.channel)]
        if not unknown:
            return self._allowed(client, found, _NOTHING)
        if len(unknown) > self._channels_max:
            raise ConnectionRefused(CHANNEL_LIMIT)
        return self._allowed_when_known(client, found, unknown)

    def _asked(self, client: Client, positions: Mapping[str, SubscribeRequest]) -> Iterator[Wanted]:
        """Channels that no source grants: subscribed if the client may by itself (3.6).

        SDKs send what they had before a reconnect, those that the server API added included.
        """
        for name, request in positions.items():
            if name in client.granted:
                continue
            try:
                channel = self._rules.resolve(name)
            except CommandRefused:
                continue
            if channel.fits_regex:
                yield Wanted(channel, Grant(by_server=True, by_list=True), _position(request))

    async def _allowed_when_known(
        self, client: Client, found: list[Wanted], unknown: list[Channel]
    ) -> Sequence[Wanted]:
        # One after the other: whoever names many channels waits longer, and nobody else does.
        standings = {
            channel.name: await self._access.look_up(channel.name, client.user)
            for channel in unknown
        }
        return self._allowed(client, found, standings)

    def _allowed(
        self, client: Client, found: list[Wanted], standings: Mapping[str, Standing]
    ) -> Sequence[Wanted]:
        access = self._access
        allowed = []
        for item in found:
            channel = item.channel
            standing = standings.get(channel.name)
            if item.grant.by_list:
                if access.may_subscribe(client, channel, by_token=False, standing=standing):
                    allowed.append(item)
            elif not access.expelled(client, channel, standing):  # over the token that grants it
                allowed.append(item)
        if len(allowed) > self._channels_max:
            raise ConnectionRefused(CHANNEL_LIMIT)
        return allowed


def _position(request: SubscribeRequest | None) -> Position | None:
    """From where a reconnecting client asks to recover a server-side subscription."""
    if request is None or not request.recover:
        return None
    return Position(request.epoch, request.offset)


def _merged(general: Override | None, special: Override | None) -> Override | None:
    """One subscription's overrides over the token's."""
    return special if special is not None else general

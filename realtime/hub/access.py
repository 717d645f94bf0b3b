"""May this client do that in this channel? The one place where the hub asks the permissions.

Where channels have members, what the user is there must be known first. It mostly is; where it is
not, `wait_for` says what to wait for, and what that answers goes into the question.
"""

import asyncio
from collections.abc import Coroutine
from typing import Final

from realtime.auth.identity import Identity
from realtime.auth.permissions import Operation, may_subscribe
from realtime.auth.revocations import Revocations
from realtime.channels.rules import Channel
from realtime.chat.ports import Memberships
from realtime.chat.standing import NOBODY, Standing
from realtime.errors import INTERNAL, CommandRefused, StoreError
from realtime.hub.client import Client
from realtime.hub.clock import Clock

LOOK_UP_TIMEOUT_S: Final = 4.0
"""How long a look-up may take before the client is told to try again: less than SDKs wait."""

_LISTENERS: Final = ("reader", "follower")
"""Roles without a voice: `member` in `publish` does not mean them."""


class Access:
    """Decides by bans, by role, by how the client is subscribed, and by the namespace's lists.

    `insecure` is the setting that gives every permission; a ban is over that too. `memberships` is
    None where no channel has members. Questions that take a `standing` use it only where the user's
    is not at hand; a user of whom nothing is known is a stranger.
    """

    def __init__(
        self,
        *,
        insecure: bool,
        revocations: Revocations,
        clock: Clock,
        memberships: Memberships | None = None,
    ) -> None:
        self._insecure = insecure
        self._revocations = revocations
        self._clock = clock
        self._memberships = memberships

    # What the user is in the channel.

    def wait_for(
        self, client: Client, channel: Channel
    ) -> Coroutine[object, object, Standing] | None:
        """What must be waited for before anything is asked about the two; None: nothing.

        Raises CommandRefused (100) when awaited.
        """
        if self.knows(client, channel):
            return None
        return self.look_up(channel.name, client.user)

    def knows(self, client: Client, channel: Channel) -> bool:
        """Whether what the client's user is in the channel is at hand, or of no account."""
        memberships, user = self._memberships, client.user
        if memberships is None or not channel.rules.chat or not user or _is_admin(client):
            return True
        standing = memberships.known(channel.name, user)
        # No entry says that somebody blocks the other no more: it is looked up each time.
        return standing is not None and not standing.blocks

    async def look_up(self, channel: str, user: str) -> Standing:
        """What the user is there. Raises CommandRefused (100)."""
        memberships = self._memberships
        assert memberships is not None  # only a chat channel is asked about
        known = memberships.known(channel, user)
        look = memberships.look_anew if known is not None and known.blocks else memberships.look_up
        try:
            async with asyncio.timeout(LOOK_UP_TIMEOUT_S):
                return await look(channel, user)
        except (StoreError, TimeoutError):
            raise CommandRefused(INTERNAL) from None

    def forget(self, client: Client, channel: Channel) -> None:
        """What the client's user is in the channel is to be looked up anew."""
        if self._memberships is not None and client.user:
            self._memberships.forget(channel.name, client.user)

    def _standing(self, client: Client, channel: Channel, standing: Standing | None) -> Standing:
        memberships, user = self._memberships, client.user
        if memberships is None or not channel.rules.chat or not user:
            return NOBODY
        return memberships.known(channel.name, user) or standing or NOBODY

    # Bans.

    def banned(self, client: Client, channel: str) -> bool:
        """Whether the revocations log keeps the user from the channel, or from the hub ("")."""
        return self.bars(client.user, channel)

    def bars(self, user: str, channel: str) -> bool:
        """The same of a user, whether connected or not."""
        return self._revocations.bans(user) and self._revocations.banned(
            user, channel, self._clock.wall_ms()
        )

    def expelled(self, client: Client, channel: Channel, standing: Standing | None = None) -> bool:
        """Whether any ban, or a block of theirs, keeps the user out, whatever a token or list says.

        What is so in the channel itself says nothing to an admin.
        """
        return self.banned(client, channel.name) or self._is_out(
            client, self._standing(client, channel, standing)
        )

    def _is_out(self, client: Client, standing: Standing) -> bool:
        """Whether they are banned there, or block the other user of a direct channel."""
        if (standing.role != "banned" and not standing.blocks) or _is_admin(client):
            return False
        return standing.blocks or standing.is_banned(self._clock.wall_ms())

    # Permissions.

    def may(
        self,
        client: Client,
        operation: Operation,
        channel: Channel,
        *,
        joining: bool = False,
        by_token: bool = False,
        standing: Standing | None = None,
    ) -> bool:
        """Whether a client may publish or read.

        `joining`: it is about to be a subscriber, with `by_token` by a subscription token.
        """
        identity = client.identity
        if identity is None or self.banned(client, channel.name):
            return False
        member = False
        if channel.rules.chat:
            standing = self._standing(client, channel, standing)
            if self._is_out(client, standing):
                return False
            member = _counts(identity, standing) and not (
                operation == "publish" and standing.role in _LISTENERS
            )
        return self._is_listed(
            client, identity, operation, channel, joining=joining, by_token=by_token, member=member
        )

    def may_send(self, client: Client, channel: Channel) -> bool:
        """Whether a client may publish into a chat channel, if the service that has it agrees.

        The service decides by what the user is there; so it is not looked up here.
        """
        identity = client.identity
        if identity is None or self.banned(client, channel.name):
            return False
        member = identity.user != "" and identity.role != "guest"
        return self._is_listed(client, identity, "publish", channel, member=member)

    def _is_listed(
        self,
        client: Client,
        identity: Identity,
        operation: Operation,
        channel: Channel,
        *,
        joining: bool = False,
        by_token: bool = False,
        member: bool,
    ) -> bool:
        subscription = client.subscriptions.get(channel.name)
        if subscription is None and channel.is_restricted and not joining:
            if not _passes_the_name(identity, channel):
                return False
        return channel.rules.permissions.allow(
            operation,
            identity.role,
            subscriber=joining or subscription is not None,
            token=by_token or (subscription is not None and subscription.by_token),
            member=member,
            insecure=self._insecure,
        )

    def may_subscribe(
        self,
        client: Client,
        channel: Channel,
        *,
        by_token: bool,
        standing: Standing | None = None,
    ) -> bool:
        """Whether a client may subscribe. `by_token`: it brought a token that is for this."""
        identity = client.identity
        if identity is None or self.banned(client, channel.name):
            return False
        member = False
        if channel.rules.chat:
            standing = self._standing(client, channel, standing)
            if self._is_out(client, standing):
                return False
            member = _counts(identity, standing)
        return may_subscribe(
            channel.rules.permissions,
            identity.role,
            identity.user,
            token=by_token,
            private=channel.private,
            limited_to=channel.users,
            user_limited=channel.rules.user_limited,
            member=member,
            insecure=self._insecure,
        )


def _is_admin(client: Client) -> bool:
    return client.identity is not None and client.identity.role == "admin"


def _counts(identity: Identity, standing: Standing) -> bool:
    """Whether the user is a member, where it matters: who calls itself a guest is one."""
    return standing.is_member and identity.role != "guest"


def _passes_the_name(identity: Identity, channel: Channel) -> bool:
    """Whether somebody who is not subscribed may pass a `$` or `#` name (design 6).

    What only some may subscribe to, nobody else reads or writes either.
    """
    if identity.role == "admin":
        return True
    if channel.private or channel.users is None or not channel.rules.user_limited:
        return False
    return identity.user != "" and identity.user in channel.users

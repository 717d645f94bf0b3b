"""May this client do that in this channel? The one place where the hub asks the permissions."""

from realtime.auth.identity import Identity
from realtime.auth.permissions import Operation, may_subscribe
from realtime.auth.revocations import Revocations
from realtime.channels.rules import Channel
from realtime.hub.client import Client
from realtime.hub.clock import Clock


class Access:
    """Decides by bans, by role, by how the client is subscribed, and by the namespace's lists.

    `insecure` is the setting that gives every permission; a ban is over that too.
    """

    def __init__(self, *, insecure: bool, revocations: Revocations, clock: Clock) -> None:
        self._insecure = insecure
        self._revocations = revocations
        self._clock = clock

    def banned(self, client: Client, channel: str) -> bool:
        """Whether a ban keeps the client's user from the channel, or from the hub ("")."""
        user = client.user
        return self._revocations.bans(user) and self._revocations.banned(
            user, channel, self._clock.wall_ms()
        )

    def may(
        self,
        client: Client,
        operation: Operation,
        channel: Channel,
        *,
        joining: bool = False,
        by_token: bool = False,
    ) -> bool:
        """Whether a client may publish or read.

        `joining`: it is about to be a subscriber, with `by_token` by a subscription token.
        """
        identity = client.identity
        if identity is None or self.banned(client, channel.name):
            return False
        subscription = client.subscriptions.get(channel.name)
        if subscription is None and channel.is_restricted and not joining:
            if not _is_listed(identity, channel):
                return False
        return channel.rules.permissions.allow(
            operation,
            identity.role,
            subscriber=joining or subscription is not None,
            token=by_token or (subscription is not None and subscription.by_token),
            insecure=self._insecure,
        )

    def may_subscribe(self, client: Client, channel: Channel, *, by_token: bool) -> bool:
        """Whether a client may subscribe. `by_token`: it brought a token that is for this."""
        identity = client.identity
        if identity is None or self.banned(client, channel.name):
            return False
        return may_subscribe(
            channel.rules.permissions,
            identity.role,
            identity.user,
            token=by_token,
            private=channel.private,
            limited_to=channel.users,
            user_limited=channel.rules.user_limited,
            insecure=self._insecure,
        )


def _is_listed(identity: Identity, channel: Channel) -> bool:
    """Whether somebody who is not subscribed may pass a `$` or `#` name (design 6).

    What only some may subscribe to, nobody else reads or writes either.
    """
    if identity.role == "admin":
        return True
    if channel.private or channel.users is None or not channel.rules.user_limited:
        return False
    return identity.user != "" and identity.user in channel.users

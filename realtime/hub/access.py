"""May this client do that in this channel? The one place where the hub asks the permissions."""

from realtime.auth.permissions import Operation, may_subscribe
from realtime.channels.rules import Channel
from realtime.hub.client import Client


class Access:
    """Decides by role, by how the client is subscribed, and by the namespace's lists.

    `insecure` is the setting that gives every permission.
    """

    def __init__(self, *, insecure: bool) -> None:
        self._insecure = insecure

    def may(
        self, client: Client, operation: Operation, channel: Channel, *, joining: bool = False
    ) -> bool:
        """Whether a client may publish or read. `joining`: it is about to be a subscriber."""
        identity = client.identity
        if identity is None:
            return False
        subscription = client.subscriptions.get(channel.name)
        return channel.rules.permissions.allow(
            operation,
            identity.role,
            subscriber=joining or subscription is not None,
            token=subscription is not None and subscription.by_token,
            insecure=self._insecure,
        )

    def may_subscribe(self, client: Client, channel: Channel, *, by_token: bool) -> bool:
        """Whether a client may subscribe. `by_token`: it brought a token that is for this."""
        identity = client.identity
        if identity is None:
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

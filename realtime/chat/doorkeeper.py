"""May this caller do that in this channel? The one place where chat asks."""

from typing import Final, Literal

from realtime.chat.caller import Caller
from realtime.chat.ports import ChatStore, Clock, Memberships, Stage
from realtime.chat.refusals import denied, not_found
from realtime.chat.standing import FOR_EVER, Standing
from realtime.errors import INTERNAL, CommandRefused, StoreError
from realtime.settings.schema import ChannelOptions, Chat

Least = Literal["member", "writer", "moderator", "owner"]

BANNED: Final = Standing("banned", banned_until=FOR_EVER)
"""Whom the app has banned, for as long as it says."""


class Doorkeeper:
    """Decides by what the user is in the channel, and by the app's own bans, which are over all.

    The app's bans (of the revocations log) bind an admin too, and who is called for by the server
    API: it lifts them before it has the user do anything there.

    Where a room can be joined without an invitation, a stranger is told that only members may
    (103); of any other room a stranger is told nothing: 404, whether it is there or not.
    """

    def __init__(
        self, store: ChatStore, stage: Stage, memberships: Memberships, clock: Clock
    ) -> None:
        self._store = store
        self._stage = stage
        self._memberships = memberships
        self._clock = clock

    def options(self, channel: str, chat: Chat) -> ChannelOptions:
        """The options of a channel that is such a one. Raises CommandRefused: 102, 107, 404."""
        options = self._stage.options(channel)
        if options.chat != chat:
            raise not_found("channel")
        return options

    async def standing(self, channel: str, user: str) -> Standing:
        """What a user is in a channel: banned, if the app says so. Raises CommandRefused (100)."""
        if self._stage.banned(user, channel):
            return BANNED
        known = self._memberships.known(channel, user)
        if known is not None:
            return known
        try:
            return await self._memberships.look_up(channel, user)
        except StoreError:
            raise CommandRefused(INTERNAL) from None

    async def present_standing(self, channel: str, user: str) -> Standing:
        """What a user is there by now, whatever has come to this node of it.

        For what changes standings, and before somebody is refused: what a user became a moment ago
        by way of another node they are here too. Raises CommandRefused (100).
        """
        try:
            return await self._memberships.look_anew(channel, user)
        except StoreError:
            raise CommandRefused(INTERNAL) from None

    async def admit(self, caller: Caller, channel: str, least: Least) -> Standing:
        """What the caller is in a room, if that is enough. An admin passes, whatever they are.

        Raises CommandRefused: 100, 102, 103, 107, 404.
        """
        options = self.options(channel, "room")
        known = self._memberships.known(channel, caller.user)
        if known is not None:
            try:
                return self.judge(caller, channel, options, known, least)
            except CommandRefused:
                present = await self.present_standing(channel, caller.user)
                return self.judge(caller, channel, options, present, least)
        standing = await self.standing(channel, caller.user)
        return self.judge(caller, channel, options, standing, least)

    def refuse_banned(self, caller: Caller, channel: str) -> None:
        """Whether the app itself has banned the caller there, or from all there is; never waits.

        Raises CallRefused (103, why=banned).
        """
        if self._stage.banned(caller.user, channel):
            raise denied("banned")

    def judge(
        self,
        caller: Caller,
        channel: str,
        options: ChannelOptions,
        standing: Standing,
        least: Least,
    ) -> Standing:
        """`admit`, of a room with these options, where the caller's standing is at hand.

        Raises CommandRefused: 103, 404.
        """
        self.refuse_banned(caller, channel)
        if caller.is_admin:
            return standing
        if standing.is_banned(self._clock.wall_ms()):
            raise denied("banned")
        if not standing.is_member:
            raise denied("not_a_member") if options.join == "open" else not_found("channel")
        if (
            (least == "writer" and standing.role == "reader")
            or (least == "moderator" and not standing.moderates)
            or (least == "owner" and standing.role != "owner")
        ):
            raise denied("role")
        return standing

"""May this caller do that in this channel? The one place where chat asks."""

from typing import Literal

from realtime.chat.caller import Caller
from realtime.chat.ports import ChatStore, Clock, Memberships, Stage
from realtime.chat.refusals import denied, not_found
from realtime.chat.standing import Standing
from realtime.errors import INTERNAL, CommandRefused, StoreError
from realtime.settings.schema import ChannelOptions, Chat

Least = Literal["member", "writer", "moderator", "owner"]


class Doorkeeper:
    """Decides by what the user is in the channel. A ban by the revocations log was checked before.

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
        """What a user is in a channel. Raises CommandRefused (100)."""
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
                return self.judge(caller, options, known, least)
            except CommandRefused:
                present = await self.present_standing(channel, caller.user)
                return self.judge(caller, options, present, least)
        return self.judge(caller, options, await self.standing(channel, caller.user), least)

    def judge(
        self, caller: Caller, options: ChannelOptions, standing: Standing, least: Least
    ) -> Standing:
        """`admit`, of a room with these options, where the caller's standing is at hand.

        Raises CommandRefused: 103, 404.
        """
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

"""Rooms, members and those who moderate them, put together as the service does it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from realtime.auth.identity import Role
from realtime.chat.audit_log import AuditLog
from realtime.chat.blocks import Blocks
from realtime.chat.calls import channels, members, moderation, users
from realtime.chat.channel_folds import ChannelFolds
from realtime.chat.channels import Channels
from realtime.chat.creating import Creating
from realtime.chat.members import Members
from realtime.chat.moderation import Moderation
from realtime.chat.openapi import codes
from realtime.chat.operations import Perform
from realtime.chat.sanctions import Sanctions
from realtime.errors import CallRefused, CommandRefused
from realtime.rows import AUDIT, CHANNELS, MEMBERS, AuditRow, ChannelRow, MemberRow
from realtime.settings.schema import ChannelOptions, ChatSettings
from realtime.stores.base import Span
from tests.support.chat import ChatParts, caller, chat_parts

TABLE: Final = {
    operation.name: operation
    for subject in (channels, members, moderation, users)
    for operation in subject.OPERATIONS
}
"""The operations of these subjects by name."""


@dataclass
class Rooms:
    """Calls operations by name, as somebody, and reads what came of them."""

    parts: ChatParts
    folds: ChannelFolds
    operations: dict[str, Perform]
    calls: int = 0

    async def call(
        self, user: str, method: str, params: msgspec.Struct, role: Role = "user"
    ) -> Any:
        """Perform an operation. Raises CommandRefused, of a code that the table names."""
        try:
            return await self.operations[method](caller(user, role), params)
        except CommandRefused as refusal:
            assert refusal.error.code in codes(TABLE[method])
            raise

    def fresh_id(self) -> str:
        """A client id that was not used before."""
        self.calls += 1
        return f"call-{self.calls}"

    async def member(self, channel: str, user: str) -> MemberRow | None:
        """The row of a user in a channel."""
        rows = await self.parts.store.get(MEMBERS, [(channel, user)])
        return rows[0] if rows else None

    async def roles(self, channel: str) -> dict[str, str]:
        """Everybody's role, without those who have none."""
        rows = await self.parts.store.find(MEMBERS, Span((channel,)), limit=500)
        return {row.user: row.role for row in rows if row.role}

    async def channel(self, channel: str) -> ChannelRow:
        """The channel's row."""
        (row,) = await self.parts.store.get(CHANNELS, [(channel,)])
        return row

    async def audit(self, channel: str) -> list[AuditRow]:
        """What is written down of moderators' acts, in order."""
        return list(await self.parts.store.find(AUDIT, Span((channel,)), limit=500))


@asynccontextmanager
async def rooms_of(
    settings: ChatSettings | None = None, **namespaces: ChannelOptions
) -> AsyncIterator[Rooms]:
    """Rooms over an empty store."""
    async with chat_parts(settings, **namespaces) as parts:
        yield put_together(parts)


def put_together(parts: ChatParts) -> Rooms:
    """Rooms over these parts."""
    around, rooms = parts.around, parts.memberships.rooms
    blocks = Blocks(around)
    operations: dict[str, Perform] = {}
    for subject in (
        Creating(around, blocks),
        Channels(around, rooms, tier=lambda channel: "S"),
        Members(around, rooms, blocks),
        Sanctions(around, rooms),
        Moderation(around),
        AuditLog(around),
        blocks,
    ):
        operations |= subject.operations
    return Rooms(parts, ChannelFolds(around), operations)


def why(refusal: CommandRefused) -> tuple[int, str]:
    """The code of a refusal, and the word or the field that says more."""
    if isinstance(refusal, CallRefused):
        return refusal.error.code, refusal.why or refusal.field
    return refusal.error.code, ""

"""Reading what moderators and admins did."""

from collections.abc import Mapping

from msgspec import UNSET, Raw

from realtime.chat.around import Around
from realtime.chat.caller import Caller
from realtime.chat.calls.moderation import Act, AuditPage, ListAudit
from realtime.chat.operations import Perform
from realtime.rows import AUDIT, AuditRow
from realtime.stores.base import Span


class AuditLog:
    """Performs `chat.audit`."""

    def __init__(self, around: Around) -> None:
        self._store = around.store
        self._doorkeeper = around.doorkeeper
        self.operations: Mapping[str, Perform] = {"chat.audit": self.audit}

    async def audit(self, caller: Caller, params: ListAudit) -> AuditPage:
        """A page of acts. Raises CommandRefused: 100, 102, 103, 107, 404. Raises StoreError."""
        await self._doorkeeper.admit(caller, params.channel, "moderator")
        span = Span((params.channel,), before=params.cursor or None)
        rows = await self._store.find(AUDIT, span, limit=params.limit + 1, backwards=True)
        page = rows[: params.limit]
        cursor = page[-1].place if len(rows) > params.limit else ""
        return AuditPage([_view(row) for row in page], cursor)


def _view(row: AuditRow) -> Act:
    return Act(
        row.place,
        row.by,
        row.act,
        row.at,
        row.target,
        row.offset,
        Raw(row.detail) if row.detail else UNSET,
    )

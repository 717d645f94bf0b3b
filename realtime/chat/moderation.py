"""What users report, and what moderators make of it."""

import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec

from realtime.chat import audit
from realtime.chat.answers import digest
from realtime.chat.around import Around
from realtime.chat.caller import Caller
from realtime.chat.calls.moderation import (
    ListReports,
    MadeReport,
    MakeReport,
    Report,
    ReportPage,
    ResolveReport,
)
from realtime.chat.feed_rules import BLOCKED, is_for_everybody
from realtime.chat.log_reader import LogReader
from realtime.chat.operations import Perform
from realtime.chat.refusals import (
    conflict,
    deleted,
    denied,
    invalid,
    not_found,
    other_data,
)
from realtime.chat.views import user_of
from realtime.errors import NOT_FOUND, PERMISSION_DENIED, CommandRefused
from realtime.rows import ANSWERS, REPORTS, ReportRow
from realtime.stores.base import Key, Span, Value, Write

_encode: Final = msgspec.json.Encoder().encode
_read_answer: Final = msgspec.json.Decoder(MadeReport).decode


class Moderation:
    """Performs `chat.report`, `chat.reports` and `chat.resolve`."""

    def __init__(self, around: Around) -> None:
        self._store = around.store
        self._stage = around.stage
        self._clock = around.clock
        self._doorkeeper = around.doorkeeper
        self._answers_ttl_ms = around.settings.answers_ttl.ms
        self._log = LogReader(around)
        self.operations: Mapping[str, Perform] = {
            "chat.report": self.report,
            "chat.reports": self.reports,
            "chat.resolve": self.resolve,
        }

    async def report(self, caller: Caller, params: MakeReport) -> MadeReport:
        """Report a message or a user. Raises CommandRefused: 100, 102, 103, 404, 409, 410, 422.

        Raises StoreError.
        """
        key = (caller.user, params.client_id)
        command = digest("chat.report", _encode(params))
        # The id is in the answer before there is a report: whoever tries again goes on with it.
        answers = await self._store.get(ANSWERS, [key])
        if not answers:
            await self._about(caller, params)
            now_ms = self._clock.wall_ms()
            claim = Write(
                ANSWERS,
                key,
                set={
                    "digest": command,
                    "answer": _encode(MadeReport(_place(now_ms, *key))),
                    "until": now_ms + self._answers_ttl_ms,
                },
                absent=True,
            )
            await self._store.decide(claim)
            answers = await self._store.get(ANSWERS, [key])
        if not answers or answers[0].digest != command or not answers[0].answer:
            raise other_data()
        made = _read_answer(answers[0].answer)
        if not await self._store.get(REPORTS, [(made.report,)]):
            about = await self._about(caller, params)
            await self._store.write([_written(made.report, caller, params, about)])
        return made

    async def reports(self, caller: Caller, params: ListReports) -> ReportPage:
        """A page of reports. Raises CommandRefused: 100, 102, 103, 107, 404. Raises StoreError."""
        if not caller.is_admin:
            if params.channel is None:
                raise denied()
            await self._doorkeeper.admit(caller, params.channel, "moderator")
        is_queue = params.state == "open"
        equal: Key = (params.state,)
        by: tuple[str, ...] = ("state", "place")
        if params.channel is not None:
            equal, by = (params.channel, params.state), ("channel", "state", "place")
        last = params.cursor or None
        span = Span(equal, after=last) if is_queue else Span(equal, before=last)
        rows = await self._store.find(
            REPORTS, span, by=by, limit=params.limit + 1, backwards=not is_queue
        )
        page = rows[: params.limit]
        shown = [_view(row) for row in page if caller.is_admin or row.about != caller.user]
        return ReportPage(shown, page[-1].place if len(rows) > params.limit else "")

    async def resolve(self, caller: Caller, params: ResolveReport) -> Report:
        """Be done with a report. Raises CommandRefused: 100, 404, 409. Raises StoreError."""
        row = await self._find(params.report)
        await self._may_resolve(caller, row)
        if row.state == "open":
            resolution: dict[str, Value] = {
                "state": params.state,
                "note": params.note,
                "resolved_by": caller.user,
                "resolved_at": self._clock.wall_ms(),
            }
            await self._store.decide(
                Write(REPORTS, (row.place,), set=resolution, equals={"state": "open"})
            )
            row = await self._find(params.report)
        if (row.state, row.note, row.resolved_by) != (params.state, params.note, caller.user):
            raise conflict("resolved")
        # Of what is in the row: whoever died before this does it when they try again.
        await self._store.write([_resolved(row)])
        return _view(row)

    async def _about(self, caller: Caller, params: MakeReport) -> str:
        """Whom a report is about. Raises CommandRefused where it cannot be made; StoreError."""
        if (params.offset is None) == (params.user is None):
            raise invalid("user" if params.offset else "")
        if params.channel is None:
            if params.offset is not None:
                raise invalid("channel")
            return params.user or ""
        await self._admit(caller, params.channel)
        if params.offset is None:
            other = await self._doorkeeper.standing(params.channel, params.user or "")
            if not other.is_member and other.role != "banned":
                raise not_found("user")
            return params.user or ""
        message = await self._log.message(params.channel, params.offset)
        if message.deleted_at:
            raise deleted()
        return user_of(message)

    async def _admit(self, caller: Caller, channel: str) -> None:
        """Whether the caller can see what is said there."""
        options = self._stage.options(channel)
        if options.chat != "feed":
            await self._doorkeeper.admit(caller, channel, "member")
        elif not caller.is_admin:
            # As `FeedRules` has it, which begins with the author: whom that has blocked is not even
            # told what there is.
            standing = await self._doorkeeper.present_standing(channel, caller.user)
            if standing.role == BLOCKED:
                raise denied("blocked")
            if is_for_everybody(options.read_history):
                return
            if not ("member" in options.read_history and standing.is_member):
                raise not_found("channel")

    async def _find(self, report: str) -> ReportRow:
        rows = await self._store.get(REPORTS, [(report,)])
        if not rows:
            raise not_found("report")
        return rows[0]

    async def _may_resolve(self, caller: Caller, row: ReportRow) -> None:
        if caller.is_admin:
            return
        if not row.channel or row.about == caller.user:
            raise not_found("report")
        try:
            await self._doorkeeper.admit(caller, row.channel, "moderator")
        except CommandRefused as refusal:
            if refusal.error.code in (PERMISSION_DENIED.code, NOT_FOUND.code):
                raise not_found("report") from None
            raise


def _place(now_ms: int, user: str, client_id: str) -> str:
    """In the order of time, and another for each report; nobody is recognised by it."""
    named = msgspec.msgpack.encode((user, client_id))
    return audit.place_of(now_ms, hashlib.blake2b(named, digest_size=10).hexdigest())


def _written(place: str, caller: Caller, params: MakeReport, about: str) -> Write:
    return Write(
        REPORTS,
        (place,),
        set={
            "state": "open",
            "channel": params.channel or "",
            "offset": params.offset or 0,
            "about": about,
            "reporter": caller.user,
            "reason": params.reason,
            "text": params.text,
            "at": int(place.partition("-")[0]),
        },
        absent=True,
    )


def _resolved(row: ReportRow) -> Write:
    detail = {"report": row.place, "state": row.state, "note": row.note}
    return audit.row(
        row.channel,
        audit.place_of(row.resolved_at, row.place),
        by=row.resolved_by,
        act="resolve",
        at=row.resolved_at,
        target=row.about,
        offset=row.offset,
        detail=_encode(detail),
    )


def _view(row: ReportRow) -> Report:
    return Report(
        row.place,
        row.state,
        row.reason,
        row.reporter,
        row.at,
        row.channel,
        row.offset,
        row.about,
        row.text,
        row.resolved_by,
        row.resolved_at,
        row.note,
    )

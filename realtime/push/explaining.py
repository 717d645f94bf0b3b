"""Why a user was told of a message, or was not: one answer, of all that is still known.

What was decided is in the trail. What is not there was not decided yet, or needed no decision: the
user has seen it, or never was to be told. Then the same facts say why.
"""

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from realtime.model import Entry
from realtime.naming import user_of
from realtime.push.decision import IN_ROOM, came_later, is_recipient
from realtime.push.reasons import OF_THE_MESSAGE, SENTENCES, Reason, sentence
from realtime.push.rows import DEVICES, JOBS, DeviceRow, JobRow, TrailRow
from realtime.push.trail import TOLD, Trail
from realtime.rows import BLOCKS, CHANNELS, MEMBERS, MemberRow
from realtime.stores.base import ChangeStore, TableStore

OVER_HTTP: Final = "http"
"""`MemberRow.seen_by` of who has read by a call over HTTP (`realtime.chat.presence.HTTP`)."""

_OPEN: Final[frozenset[str]] = frozenset({"waiting", "quiet_hours"})
"""Reasons of what is not decided for good."""

_BEST: Final = ("sent_again", "sent", "waiting", "refused", "address_dead")
"""What is said of a message that fared differently on several devices: the first of these."""


class ExplainStore(ChangeStore, TableStore, Protocol):
    """Logs and rows."""


class OnDevice(msgspec.Struct, frozen=True):
    """How a message fared on one device. `at` is in milliseconds since 1970."""

    device: str
    reason: Reason
    sentence: str
    detail: str = ""
    tries: int = 0
    at: int = 0


class Explanation(msgspec.Struct, frozen=True):
    """Why. `detail` is what the sentence has in brackets; `at`, when it was decided, 0 for not."""

    reason: Reason
    sentence: str
    detail: str = ""
    at: int = 0
    devices: tuple[OnDevice, ...] = ()


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known. `trail` as `Trail.of` has it; `kind` is the channel's, `level` its
    namespace's; `blocked`: the user and the sender block each other, or one the other.
    `blocks_unsaid`: that is not to be told. What was decided before `kept_from` (ms) is swept."""

    user: str
    offset: int
    entry: Entry | None = None
    member: MemberRow | None = None
    job: JobRow | None = None
    trail: Sequence[TrailRow] = ()
    own: DeviceRow | None = None
    blocked: bool = False
    blocks_unsaid: bool = False
    kept_from: int = 0
    kind: str = "room"
    level: str = "all"


async def explain(
    store: ExplainStore,
    user: str,
    channel: str,
    offset: int,
    *,
    level: str,
    now_ms: int,
    trail_ttl_ms: int,
    to_admin: bool,
) -> Explanation:
    """Why `user` was told of this message or was not. `level` is the namespace's, `trail_ttl_ms`
    how long trails are kept. Unless it is `to_admin`, it does not say that others block the user.

    Seven reads. Raises StoreError. Whoever asks must be let by whoever calls this.
    """
    found = await store.fetch({channel: (offset,)}, stubs=True)
    entry = found[0] if found else None
    members = await store.get(MEMBERS, [(channel, user)])
    channels = await store.get(CHANNELS, [(channel,)])
    jobs = await store.get(JOBS, [(user, channel)])
    own = await store.get(DEVICES, [(user, "")])
    sender = user_of(entry) if entry is not None else ""
    blocks = await store.get(BLOCKS, [(user, sender), (sender, user)]) if sender else ()
    # The trail last: what is decided meanwhile is in it, or still in the job that was read.
    trail = await Trail(store).of(user, channel, offset)
    return why(
        Known(
            user=user,
            offset=offset,
            entry=entry,
            member=members[0] if members else None,
            job=jobs[0] if jobs else None,
            trail=trail,
            own=own[0] if own else None,
            blocked=bool(blocks),
            blocks_unsaid=not to_admin and all(block.user != user for block in blocks),
            kept_from=now_ms - trail_ttl_ms,
            kind=channels[0].kind if channels else "room",
            level=level,
        )
    )


def why(known: Known) -> Explanation:
    """The explanation. Pure."""
    if known.entry is not None and user_of(known.entry) == known.user:
        return _explanation("own_message")
    answer = _decided(known) or _undecided(known)
    if answer.reason == "blocked" and known.blocks_unsaid:
        return _explanation("never_recipient", at=answer.at)
    return answer


def _explanation(
    reason: Reason, detail: str = "", at: int = 0, rows: Sequence[TrailRow] = ()
) -> Explanation:
    devices = tuple(
        OnDevice(
            row.device,
            _reason(row),
            sentence(_reason(row), row.detail),
            row.detail,
            row.tries,
            row.at,
        )
        for row in rows
        if row.device
    )
    return Explanation(reason, sentence(reason, detail), detail, at, devices)


def _reason(row: TrailRow) -> Reason:
    """A word of a later version is not known."""
    return next((reason for reason in SENTENCES if reason == row.reason), "unknown")


# By the trail.


def _decided(known: Known) -> Explanation | None:
    """What the trail says; None for nothing."""
    offset = known.offset
    exact = [row for row in known.trail if row.offset == offset]
    standing = _standing([row for row in known.trail if row.offset > offset])
    after = standing[0].offset if standing else 0
    own, later = _verdict(exact), _verdict(standing)
    if own is not None and not own.device and own.reason in OF_THE_MESSAGE:
        exact = [own]  # what devices were sent was of one before it
    exact = _given_way(exact, [row for row in known.trail if row.offset > offset])
    standing = _given_way(standing, [row for row in known.trail if row.offset > after])
    if own is not None and (own.reason not in _OPEN or later is None):
        return _explanation(_reason(own), own.detail, own.at, exact)
    if later is None or later.reason in OF_THE_MESSAGE:
        return _explanation(_reason(own), own.detail, own.at, exact) if own is not None else None
    needless = _needless(known, later.at) if own is None else None
    if needless is not None:
        return _explanation(needless)
    if later.reason in TOLD:
        # One that was being tried has given way; of one that was not, the later one tells as well.
        tried = any(row.tries for row in exact)
        return _explanation(
            "superseded" if tried else "merged", f"by {after}", later.at, exact or standing
        )
    return _explanation(_reason(later), later.detail, later.at, standing)


def _standing(later: Sequence[TrailRow]) -> list[TrailRow]:
    """What is said of the first later message that was decided; else of the first there is."""
    by_offset: dict[int, list[TrailRow]] = {}
    for row in sorted(later, key=lambda row: row.offset):
        by_offset.setdefault(row.offset, []).append(row)
    for rows in by_offset.values():
        verdict = _verdict(rows)
        if verdict is not None and verdict.reason not in _OPEN:
            return rows
    return next(iter(by_offset.values()), [])


def _given_way(exact: Sequence[TrailRow], later: Sequence[TrailRow]) -> list[TrailRow]:
    """What was being tried on devices that were told of a later message instead is not any more."""
    told: dict[str, int] = {}
    for row in sorted(later, key=lambda row: row.offset):
        if row.device and row.reason in TOLD:
            told.setdefault(row.device, row.offset)
    return [
        msgspec.structs.replace(row, reason="superseded", detail=f"by {told[row.device]}")
        if row.reason in _OPEN and row.device in told
        else row
        for row in exact
    ]


def _needless(known: Known, at: int) -> Reason | None:
    """Why this message was not one of those that a notification was for, at `at`; None: it was.

    Who dispatches passes it over without a word, as it is not worth one for each member.
    """
    entry, member, own = known.entry, known.member, known.own
    if entry is None or member is None:
        return None
    if came_later(member, entry) and member.joined_at <= at:
        return "not_a_member"
    if 0 < entry.deleted_at <= at:
        return "deleted"
    # What users want is not known any more where it was changed since.
    changed_at = max(member.push_at, own.registered_at if own is not None else 0)
    if changed_at <= at and not is_recipient(
        entry, member, level=known.level, kind=known.kind, own=own
    ):
        return "never_recipient"
    return None


def _verdict(rows: Sequence[TrailRow]) -> TrailRow | None:
    """What is said of all devices together."""
    for row in rows:
        if not row.device and row.reason not in _OPEN:
            return row
    for reason in _BEST:
        for row in rows:
            if row.device and row.reason == reason:
                return row
    return rows[0] if rows else None


# By what is known beside it.


def _undecided(known: Known) -> Explanation:
    job, entry, member = known.job, known.entry, known.member
    never = _never(known)
    is_due = job is not None and job.state == "due" and job.pushed < known.offset <= job.offset
    if job is not None and is_due and never is None:
        return _explanation("waiting", f"until {job.due_at}")
    if entry is None or entry.stub:
        return _explanation("unknown")
    if entry.notify:
        return _explanation("waiting", "nobody was looked for yet")
    if entry.at < known.kept_from:
        # What was decided is swept, and what is so now need not have been so then.
        return _explanation("unknown")
    if member is None or never == "not_a_member":
        return _explanation("not_a_member")
    if known.blocked:
        return _explanation("blocked")
    if entry.deleted_at:
        return _explanation("deleted")
    if never is not None:
        return _explanation(never)
    # When it was read is not known: what was seen in time may have been read long after. But who
    # reads has seen it by that, and over HTTP there is no device to name.
    if member.seen >= entry.offset and (member.read < entry.offset or member.seen_by != OVER_HTTP):
        return _explanation("seen", member.seen_by)
    if member.read >= entry.offset:
        return _explanation("read")
    return _explanation("unknown")


def _never(known: Known) -> Reason | None:
    """Why the message is not for the user at all, whatever job there is; None: it is, or is gone
    and there is nothing to tell it by."""
    entry, member = known.entry, known.member
    if entry is None or entry.stub:
        return None
    if member is None or member.role not in IN_ROOM or came_later(member, entry):
        return "not_a_member"
    if not is_recipient(entry, member, level=known.level, kind=known.kind, own=known.own):
        return "never_recipient"
    return None

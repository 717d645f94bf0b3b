"""Whether, of what and on which devices a user is told now. Pure.

A job stands for all that its user may have to be told of since what was settled last; one
notification tells of the newest. So the newest message that can be told of is looked for: one that
was deleted, or is of somebody who is blocked, must not hide the one before it.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

import msgspec

from realtime.model import Entry
from realtime.naming import mentions_of, user_of
from realtime.push.quiet import ends_at, quiet_of
from realtime.push.reasons import OF_THE_MESSAGE, Reason
from realtime.push.rows import DeviceRow, JobRow
from realtime.rows import MemberRow

LOOKED_BACK_MAX: Final = 1_000
"""How far before a job's newest entry another one is looked for."""

FOR_EVER: Final = -1
"""`muted_until` and `push_until` of what does not end by itself."""

IN_ROOM: Final = frozenset({"owner", "moderator", "member", "reader"})
"""Roles of those who can be told. Who follows a feed looks when they like."""

SILENT: Final = frozenset({"webpush"})
"""Providers that show something whatever they carry: nothing is taken away by them."""

_NARROWER: Final = {"all": 0, "mentions": 1, "none": 2}


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known when a claimed job is decided.

    `entries` are all entries of the channel's log from the job's `offset` down to the one after
    `since`, as they are now; what is not in it is gone. At first that is one at most, see
    `LookBack`. `shown` is the entry at `job.shown`, None if it is gone. `own` is what the user has
    set for all channels, `devices` are the others' rows. `blocked`: who of the senders and the user
    block the other. `named` is the entry at `job.named`, where that is further back than
    `LookBack` goes, and None if it is gone. `kind` is the channel's, `level` its namespace's.
    `ttl_ms`: how long a message is worth telling of, 0 for ever; `max_wait_ms`: how long what comes
    in may put off what waits.
    `told`: devices that have the job's notification already, by the trail: that of `job.shown`.
    """

    job: JobRow
    entries: Sequence[Entry]
    since: int
    kind: str
    level: str
    named: Entry | None = None
    ttl_ms: int
    max_wait_ms: int
    member: MemberRow | None = None
    own: DeviceRow | None = None
    devices: Sequence[DeviceRow] = ()
    blocked: Collection[str] = ()
    shown: Entry | None = None
    told: Collection[str] = ()


class Send(msgspec.Struct, frozen=True):
    """Tell of `entry` on these devices; settled, it shows that one. No devices: all have it."""

    entry: Entry
    devices: tuple[DeviceRow, ...]


class Drop(msgspec.Struct, frozen=True):
    """Nobody is told, and that settles it."""

    reason: Reason
    detail: str = ""


class Wait(msgspec.Struct, frozen=True):
    """Decide again at `until_ms`. `settled`: see `jobs.Postponed`, those up to it were seen."""

    reason: Reason
    until_ms: int
    settled: int = 0


class Clear(msgspec.Struct, frozen=True):
    """Take away on these devices what is visible; then nothing is. `new`: what becomes of what is
    new, None where nothing is; it may go on waiting."""

    devices: tuple[DeviceRow, ...]
    new: Drop | Wait | None = None


class LookBack(msgspec.Struct, frozen=True):
    """It depends on what was said earlier: read the log down to the entry after `since`, or a part
    of it, and decide again."""

    since: int


class Nothing(msgspec.Struct, frozen=True):
    """Nothing is new, and nothing to be taken away: settle it."""


Decision = Send | Drop | Wait | Clear | LookBack | Nothing


def decide(facts: Facts, now_ms: int) -> Decision:
    """What is to be done about a job now."""
    job = facts.job
    told = _tell(facts, now_ms) if job.offset > job.pushed else None
    if (told is None or isinstance(told, Drop | Wait)) and _is_to_be_cleared(facts):
        devices = [device for device in _live(facts.devices) if device.provider not in SILENT]
        return Clear(tuple(devices), told)
    return told or Nothing()


def why_not_newest(facts: Facts, now_ms: int) -> Drop:
    """Why the newest is not told of, where `decide` has chosen one before it."""
    return _why_nothing(facts, now_ms, otherwise=Drop("deleted"))


def level_of(namespace: str, member: MemberRow | None, own: DeviceRow | None) -> str:
    """Of what a user is told in a channel: "all", "mentions" or "none".

    What they have set for the channel holds; else the less of what they have set for all channels
    and the namespace's, so that a dispatcher that knows only the member's row leaves out nobody.
    Where the namespace has no push there is none.
    """
    if namespace not in _NARROWER:
        return "none"
    if member is not None and member.push_level in _NARROWER:
        return member.push_level
    if own is not None and own.level in _NARROWER:
        return max(namespace, own.level, key=_NARROWER.__getitem__)
    return namespace


def came_later(member: MemberRow, entry: Entry) -> bool:
    """Whether the entry was in the channel before the member was: by their places in its log, since
    the clocks of those who wrote them differ."""
    if member.joined:
        return entry.offset < member.joined
    return entry.at < member.joined_at


def is_recipient(
    entry: Entry, member: MemberRow, *, level: str, kind: str, own: DeviceRow | None = None
) -> bool:
    """Whether a member is to be told of such an entry at all; `level` is the namespace's.

    In a channel of two, whatever is said is said to one.
    """
    if entry.kind != "message" or user_of(entry) == member.user:
        return False
    wanted = level_of(level, member, own)
    return wanted == "all" or (
        wanted == "mentions" and (kind == "direct" or member.user in mentions_of(entry))
    )


# What is new.


def _tell(facts: Facts, now_ms: int) -> Send | Drop | Wait | LookBack:
    job = facts.job
    entry, drop = _newest(facts, now_ms)
    if entry is None:
        if drop is not None:
            return drop
        lowest = max(_known(facts), job.pushed, job.offset - LOOKED_BACK_MAX)
        if facts.since > lowest:
            return LookBack(lowest)
        entry = _named(facts, now_ms)
    if entry is None:
        # Where there is no message at all, retention has taken it.
        return _why_nothing(facts, now_ms, otherwise=Drop("expired", "not kept any more"))
    live = _live(facts.devices)
    if not live:
        parked = next(iter(facts.devices), None)
        return Drop("no_device") if parked is None else Drop("address_dead", parked.parked)
    # Those that were told show `shown`: of another entry, since that was deleted, they are told.
    told = facts.told if entry.offset == job.shown else ()
    return _wait(facts, entry, now_ms) or Send(
        entry, tuple(device for device in live if device.device not in told)
    )


def is_named_far_back(job: JobRow) -> bool:
    """Whether what mentions the user is further back than it is looked: its offset is known."""
    return job.pushed < job.named < job.offset - LOOKED_BACK_MAX + 1


def _named(facts: Facts, now_ms: int) -> Entry | None:
    """What mentions the user, where it can be told of, and nothing newer can."""
    entry = facts.named
    return entry if entry is not None and _why_not(facts, entry, now_ms) is None else None


def _newest(facts: Facts, now_ms: int) -> tuple[Entry | None, Drop | None]:
    """The newest entry that can be told of; else why there is none, if it is known yet."""
    for entry in facts.entries:
        if entry.offset <= facts.job.pushed:
            break
        drop = _why_not(facts, entry, now_ms)
        if drop is None:
            return entry, None
        if drop.reason not in OF_THE_MESSAGE:
            # It holds for all that was said earlier, too; of the newest something else may be said.
            return None, _why_nothing(facts, now_ms, otherwise=drop)
    return None, None


def _why_nothing(facts: Facts, now_ms: int, *, otherwise: Drop) -> Drop:
    """Why the newest message cannot be told of, where none before it can."""
    messages = (entry for entry in facts.entries if entry.kind == "message")
    newest = next(messages, None)
    return (newest and _why_not(facts, newest, now_ms)) or otherwise


def _why_not(facts: Facts, entry: Entry, now_ms: int) -> Drop | None:
    job, member = facts.job, facts.member
    sender = user_of(entry)
    if entry.kind == "message" and sender == job.user:
        return Drop("own_message")
    if member is None or member.role not in IN_ROOM or came_later(member, entry):
        return Drop("not_a_member")
    if sender in facts.blocked:
        return Drop("blocked")
    if entry.deleted_at or entry.stub:
        return Drop("deleted")
    if facts.ttl_ms and entry.at + facts.ttl_ms <= now_ms:
        return Drop("expired")
    if entry.offset <= _read(facts):
        return Drop("read")
    if entry.offset <= member.seen:
        return Drop("seen", member.seen_by)
    if _is_muted(member.push_until, now_ms):
        return Drop("muted", "the channel")
    if facts.own is not None and _is_muted(facts.own.muted_until, now_ms):
        return Drop("muted", "everything")
    if not is_recipient(entry, member, level=facts.level, kind=facts.kind, own=facts.own):
        return Drop("never_recipient")
    return None


def _is_muted(until: int, now_ms: int) -> bool:
    return until == FOR_EVER or until > now_ms


def _wait(facts: Facts, entry: Entry, now_ms: int) -> Wait | Drop | None:
    """Whether it is too early: a device may show that it has it, or the user wants silence."""
    job = facts.job
    known = _known(facts)
    # What comes in must not put off for ever what nobody sees. What is seen is progress: who looks
    # at a channel is given the same time for every message.
    is_seeing = known > job.pushed
    until = job.wait_until if is_seeing else min(job.wait_until, job.first_at + facts.max_wait_ms)
    if until > now_ms:
        return Wait("waiting", until, known if is_seeing else 0)
    quiet = quiet_of(facts.own.quiet) if facts.own is not None else None
    end = ends_at(quiet, now_ms) if quiet is not None else None
    if end is None:
        return None
    if facts.ttl_ms and entry.at + facts.ttl_ms <= end:
        return Drop("expired", f"in quiet hours until {end}")
    return Wait("quiet_hours", end)


# What was told before.


def _is_to_be_cleared(facts: Facts) -> bool:
    """Whether what is visible has been read, or is of a message that is not there any more."""
    if not facts.job.shown:
        return False
    gone = facts.shown is None or facts.shown.deleted_at != 0 or facts.shown.stub
    return gone or _read(facts) >= facts.job.shown


def _read(facts: Facts) -> int:
    return max(facts.job.read, facts.member.read if facts.member is not None else 0)


def _known(facts: Facts) -> int:
    """Up to where the user has seen the channel."""
    return max(_read(facts), facts.member.seen if facts.member is not None else 0)


def _live(devices: Iterable[DeviceRow]) -> list[DeviceRow]:
    return [device for device in devices if not device.parked]

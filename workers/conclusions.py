"""What is to be written of a job: of one that nobody is called for, and of what providers said."""

from collections.abc import Sequence
from typing import Final

import msgspec

from realtime.push.dead_letters import place_of
from realtime.push.decision import Clear, Drop, Send, Wait, why_not_newest
from realtime.push.jobs import Postponed, Settled
from realtime.push.reasons import Reason
from realtime.push.rows import DeadRow, DeviceRow, TrailRow
from realtime.push.trail import trail_row
from workers.cases import Case
from workers.providers.base import (
    Delivered,
    Failed,
    Later,
    Misconfigured,
    Outcome,
    Rejected,
)
from workers.results import Result

DETAIL_MAX: Final = 200
"""Characters of what a service says that are kept."""

Told = Sequence[tuple[DeviceRow, Outcome]]
"""What was said of each device that was called for."""


def needless(case: Case, now_ms: int) -> Result:
    """What becomes of a job that nobody is called for."""
    if case.is_stranger:
        return Result(Settled(case.job, forgets=True))
    match case.decision:
        case Drop() | Wait():
            return _left(case, case.decision, now_ms)
        case Clear(_, new):
            # No device can take anything away.
            return _left(case, new, now_ms, showing=0)
        case _:
            # Nothing is new, or all devices have it already.
            has_it = isinstance(case.decision, Send)
            return Result(Settled(case.job, _told_offset(case) if has_it else None))


def cleared(case: Case, told: Told, now_ms: int) -> Result:
    """Taking away is tried once: where it fails the app does it when it is opened."""
    decision = case.decision
    new = decision.new if isinstance(decision, Clear) else None
    return msgspec.structs.replace(
        _left(case, new, now_ms, showing=0),
        gone=tuple(
            device
            for device, outcome in told
            if isinstance(outcome, Rejected) and _is_gone(device, outcome)
        ),
    )


def concluded(case: Case, told: Told, now_ms: int, next_ms: int) -> Result:
    """What becomes of one that devices were called for; `next_ms`: when those are called that
    could not be told, 0 where there are none."""
    trail: list[TrailRow] = []
    dead: list[DeadRow] = []
    gone: list[DeviceRow] = []
    parked: dict[tuple[str, str], tuple[DeviceRow, str]] = {}
    found: dict[tuple[str, str], tuple[DeviceRow, str]] = {}
    showing: int | None = None
    for device, outcome in told:
        reason, detail = _said(outcome, again=device.device in case.doubtful)
        row = row_of(case, device.device, reason, now_ms, detail, tried=was_asked(outcome))
        trail.append(row)
        match outcome:
            case Delivered():
                showing = _told_offset(case)
                if outcome.environment:
                    found[device.user, device.device] = device, outcome.environment
            case Rejected(parked=True):
                parked[device.user, device.device] = device, outcome.why
            case Rejected():
                if _is_gone(device, outcome):
                    gone.append(device)
            case Failed():
                dead.append(_letter(case, device, outcome.why, now_ms))
            case _:
                pass  # the others are told later
    if next_ms:
        tried = any(was_asked(outcome) for _, outcome in told)
        end: Settled | Postponed = Postponed(case.job, next_ms, tried=tried, showing=showing)
    else:
        end = Settled(case.job, showing)
        trail += _passed_over(case, trail, now_ms)
    return Result(end, tuple(trail), tuple(dead), tuple(gone), parked, found)


def was_asked(outcome: Outcome) -> bool:
    """Whether it was a try: what we hold back ourselves is none."""
    return not isinstance(outcome, Later) or outcome.asked


def _left(
    case: Case, new: Drop | Wait | None, now_ms: int, *, showing: int | None = None
) -> Result:
    """What is written where nobody is told of what is new, or nothing is."""
    match new:
        case Drop(reason, detail):
            return Result(Settled(case.job, showing), (row_of(case, "", reason, now_ms, detail),))
        case Wait(reason, until_ms, settled):
            row = row_of(case, "", reason, now_ms, f"until {until_ms}")
            end = Postponed(case.job, until_ms, tried=False, showing=showing, settled=settled)
            return Result(end, (row,))
        case None:
            return Result(Settled(case.job, showing))


def _is_gone(device: DeviceRow, outcome: Rejected) -> bool:
    """Whether to forget a device: unless its app has registered it again since it was dead."""
    if outcome.parked:
        return False
    return not outcome.since or device.registered_at <= outcome.since


def _passed_over(case: Case, rows: Sequence[TrailRow], now_ms: int) -> list[TrailRow]:
    """What is to be said beside it where the newest entry is not the one that was told of."""
    offset, job = _told_offset(case), case.job
    if offset is None or offset == job.offset:
        return []
    drop = why_not_newest(case.facts, now_ms)
    newest = row_of(case, "", drop.reason, now_ms, drop.detail)
    return [
        msgspec.structs.replace(newest, since=offset),
        *(msgspec.structs.replace(row, offset=offset) for row in rows),
    ]


def _said(outcome: Outcome, *, again: bool) -> tuple[Reason, str]:
    match outcome:
        case Delivered():
            return ("sent_again" if again else "sent"), outcome.id
        case Rejected():
            return "address_dead", outcome.why
        case Failed():
            return "refused", outcome.why
        case Later() | Misconfigured():
            return "waiting", outcome.why


def _told_offset(case: Case) -> int | None:
    """The entry that is told of."""
    return case.decision.entry.offset if isinstance(case.decision, Send) else None


def row_of(
    case: Case, device: str, reason: Reason, now_ms: int, detail: str, *, tried: bool = True
) -> TrailRow:
    """What the trail says of the job's newest entry, on a device or ("") on all."""
    # Looking is no try: only what concerns a device was one.
    tries = case.job.tries + tried if device else 0
    text = detail[:DETAIL_MAX]
    return trail_row(case.job, reason, now_ms, device=device, detail=text, tries=tries)


def _letter(case: Case, device: DeviceRow, why: str, now_ms: int) -> DeadRow:
    job = case.job
    entry = case.decision.entry if isinstance(case.decision, Send) else None
    at_ms = entry.at if entry is not None else now_ms
    return DeadRow(
        place_of(at_ms, job.user, job.channel, job.offset, device.device),
        user=job.user,
        channel=job.channel,
        offset=job.offset,
        device=device.device,
        provider=device.provider,
        why=why[:DETAIL_MAX],
        at=now_ms,
    )

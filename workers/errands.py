"""One notification: whom it goes to, what it says, and what becomes of it.

An attempt is written down before the provider is called, and what the provider says is what the
trail says then. That an attempt was written down keeps nobody from trying again; that a device has
it does, where others are still to be told.
"""

import asyncio
import hashlib
import logging
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Final

import msgspec

from realtime.backoff import HALF, wait_s
from realtime.chat.ports import Clock
from realtime.push.dead_letters import place_of
from realtime.push.decision import Clear, Send
from realtime.push.jobs import LARGE, Postponed, Settled
from realtime.push.rows import DeadRow, DeviceRow, JobRow, TrailRow
from realtime.push.slices import in_slices
from realtime.push.trail import Trail, trail_row
from realtime.settings.push_schema import PushSettings
from workers.badges import Badges
from workers.cases import TRYING, Case
from workers.conclusions import cleared, concluded, needless, row_of
from workers.gate import Gate
from workers.providers.base import (
    Failed,
    Later,
    Misconfigured,
    Notice,
    Outcome,
    ProviderName,
    Target,
)
from workers.results import Result, Results
from workers.texts import Said, text_of, title_and_body

logger = logging.getLogger(__name__)

NO_BADGE: Final = -1
"""Leaves the number on the icon as it is."""

NO_PROVIDER: Final = "not configured"
"""Why a device gets nothing whose provider this worker has not."""

TOO_LONG: Final = "no answer before the lease ended"
"""Why a device is tried again whose service is slower than a job may take."""

FAULT: Final = "a fault of ours"
"""Why something is tried again that this program stumbled over; its log says more."""

FAULTS_MAX: Final = 10
"""Tries, the waits between them growing, after which such a job is a dead letter."""

SETTLE_MS: Final = 5_000
"""How long before the end of its lease a job is to be over, so that others hear of it in time, in
milliseconds; a sixth of a shorter lease."""

CLEAR_TTL_S: Final = 3_600
"""How long it is worth taking something away, in seconds."""

_NOTICES: Final = uuid.UUID("6e2f5c0a-8d55-4c43-9a51-0f5a1c1f0d3b")
"""What the ids of notices are derived from, so that a second try has the same."""


class Errand(msgspec.Struct, frozen=True):
    """A job of which devices are to be told, or from which something is to be taken away."""

    case: Case
    devices: tuple[DeviceRow, ...]
    badge: int = NO_BADGE


class Errands:
    """Begins and runs them. `gates` are the providers that there are; `random` is below 1."""

    def __init__(
        self,
        gates: Mapping[ProviderName, Gate],
        *,
        trail: Trail,
        badges: Badges,
        results: Results,
        settings: PushSettings,
        clock: Clock,
        random: Callable[[], float],
    ) -> None:
        self._gates: Mapping[str, Gate] = {str(name): gate for name, gate in gates.items()}
        self._trail = trail
        self._badges = badges
        self._results = results
        self._settings = settings
        self._clock = clock
        self._random = random
        self._settle_ms = min(SETTLE_MS, settings.lease.ms // 6)

    async def begin(self, cases: Sequence[Case], lane: int) -> Sequence[Errand]:
        """Those that something is to be done for, their attempts written; the others are settled.

        Raises StoreError.
        """
        now_ms = self._clock.wall_ms()
        errands, idle = [], []
        for case in cases:
            match case.decision:
                case Send() | Clear() if case.decision.devices:
                    errands.append(Errand(case, case.decision.devices))
                case _:
                    idle.append(needless(case, now_ms))
        if errands and lane != LARGE:
            badges = await self._badges.of({errand.case.job.user for errand in errands})
            errands = [
                msgspec.structs.replace(errand, badge=badges.get(errand.case.job.user, NO_BADGE))
                for errand in errands
            ]
        await self._trail.record(
            list(chain(*await in_slices(lambda each: _attempts(each, now_ms, TRYING), errands)))
        )
        # Last: who is given all of them once more, for an error, has said nothing of any.
        for result in idle:
            self._results.add(result)
        return errands

    def given_back(self, errand: Errand) -> Result:
        """What is written of an errand that was begun, and not run: others may do it at once."""
        now_ms = self._clock.wall_ms()
        return Result(
            Postponed(errand.case.job, now_ms, tried=False), _attempts(errand, now_ms, "")
        )

    def failed(self, job: JobRow) -> Result:
        """What is written of a job over which this program has stumbled, whatever it was for."""
        now_ms = self._clock.wall_ms()
        if job.tries + 1 < FAULTS_MAX:
            row = trail_row(job, "waiting", now_ms, detail=FAULT, tries=job.tries + 1)
            return Result(Postponed(job, now_ms + self._wait_ms(job, 0)), (row,))
        place = place_of(now_ms, job.user, job.channel, job.offset, "")
        letter = DeadRow(place, job.user, job.channel, job.offset, why=FAULT, at=now_ms)
        row = trail_row(job, "refused", now_ms, detail=FAULT, tries=job.tries + 1)
        return Result(Settled(job), (row,), (letter,))

    async def run(self, errand: Errand) -> Result:
        """Tell all devices, at once, and say what is to be written of it."""
        if len(errand.devices) == 1:
            outcomes = [await self._tell(errand, errand.devices[0])]
        else:
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(self._tell(errand, device), name="notification")
                    for device in errand.devices
                ]
            outcomes = [task.result() for task in running]
        now_ms = self._clock.wall_ms()
        told = tuple(zip(errand.devices, outcomes, strict=True))
        if isinstance(errand.case.decision, Clear):
            return cleared(errand.case, told, now_ms)
        return concluded(
            errand.case, told, now_ms, self._next_ms(errand.case.job, outcomes, now_ms)
        )

    async def _tell(self, errand: Errand, device: DeviceRow) -> Outcome:
        gate = self._gates.get(device.provider)
        if gate is None:
            return Failed(NO_PROVIDER)
        job = errand.case.job
        left_s = (job.due_at - self._settle_ms - self._clock.wall_ms()) / 1_000
        try:
            # Then somebody else may tell of something newer, which this must not come after.
            async with asyncio.timeout(left_s):
                return await gate.send(_target(device), self._notice(errand, device), job.lane)
        except TimeoutError:
            return Later(TOO_LONG)
        except Exception:
            # The boundary of a device: what is wrong with one must not stop the others.
            logger.exception("a notification by %s has failed", gate.provider.name)
            return Later(FAULT, scope="device")

    def _notice(self, errand: Errand, device: DeviceRow) -> Notice:
        case = errand.case
        job = case.job
        collapse = collapse_id(job.user, job.channel)
        decision = case.decision
        if not isinstance(decision, Send):
            now_s = self._clock.wall_ms() // 1_000
            data = {"type": "read", "channel": job.channel, "offset": str(job.shown)}
            id = _id(job, job.shown, device, "clear")
            expires = now_s + CLEAR_TTL_S
            return Notice("clear", id, collapse, "", "", errand.badge, data, expires, False)
        entry, member = decision.entry, case.facts.member
        said = Said(
            case.facts.kind,
            case.name,
            case.title,
            text_of(entry.data),
            max(1, entry.n - (member.read_n if member is not None else 0)),
        )
        title, body = ("", "")
        if case.options is not None:
            title, body = title_and_body(said, case.options, device.locale)
        data = {"type": "message", "channel": job.channel, "offset": str(entry.offset)}
        expires = (entry.at + case.facts.ttl_ms) // 1_000
        id = _id(job, entry.offset, device, "show")
        return Notice("show", id, collapse, title, body, errand.badge, data, expires)

    def _next_ms(self, job: JobRow, outcomes: Iterable[Outcome], now_ms: int) -> int:
        """When to try again, 0 where that is for no device."""
        waits = []
        for outcome in outcomes:
            match outcome:
                case Later():
                    waits.append(self._wait_ms(job, outcome.after_s, tried=outcome.asked))
                case Misconfigured():
                    waits.append(self._wait_ms(job, self._settings.pause.ms / 1_000))
                case _:
                    continue
        return now_ms + max(waits) if waits else 0

    def _wait_ms(self, job: JobRow, after_s: float, *, tried: bool = True) -> int:
        """At least as long as was asked for, and spread, so that not all come back together; the
        longer, the more often it was tried."""
        backoff_s = wait_s(
            job.tries + 1 if tried else 1,
            min_s=self._settings.retry_min.ms / 1_000,
            max_s=self._settings.retry_max.ms / 1_000,
            spread=HALF,
            random=self._random,
        )
        spread_s = after_s * 0.1 * self._random()
        return int(1_000 * max(backoff_s, after_s + spread_s))


def collapse_id(user: str, channel: str) -> str:
    """What all notifications of a channel to a user have in common: 32 hex digits."""
    text = f"{len(user)} {user} {channel}"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _id(job: JobRow, offset: int, device: DeviceRow, act: str) -> str:
    name = f"{act} {offset} {job.channel} {len(job.user)} {job.user} {device.device}"
    return str(uuid.uuid5(_NOTICES, name.encode("utf-8", "surrogatepass").hex()))


def _target(device: DeviceRow) -> Target:
    # A row has what an operation has checked (`realtime.chat.push_devices`).
    return msgspec.convert(
        {
            "provider": device.provider,
            "kind": device.kind,
            "address": device.address,
            "p256dh": device.p256dh,
            "auth": device.auth,
            "app": device.app,
            "environment": device.environment,
        },
        Target,
    )


def _attempts(errand: Errand, now_ms: int, detail: str) -> tuple[TrailRow, ...]:
    """Of what is shown; of what is taken away nothing is recorded."""
    if not isinstance(errand.case.decision, Send):
        return ()
    return tuple(
        row_of(errand.case, device.device, "waiting", now_ms, detail) for device in errand.devices
    )

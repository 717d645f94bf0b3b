"""The rows that push keeps beside the logs: devices, jobs, dead letters, the trail.

Times are in milliseconds since 1970, 0 for never. See `realtime.rows` for what holds for all rows.
"""

from typing import Final

import msgspec

from realtime.stores.base.tables import Table


class DeviceRow(msgspec.Struct, frozen=True):
    """A device of a user that can be notified; with the device "", what the user has set for all.

    `provider`, `kind`, `address`, `p256dh`, `auth`, `app` and `environment` are as in a provider's
    `Target`; all but the first two are secrets, or lead to some. `digest` is of the address: two
    registrations of one address are one device that changed hands. `registered_at` is when the app
    said so last. `parked` says why nothing is sent until it registers again, "" if it is.

    The user's own row has `level` ("all", "mentions", "none", "" for the namespace's), until when
    all is silent (`muted_until`, -1 for ever), `quiet` (JSON, `realtime.push.quiet`) and when these
    were set (`registered_at`).
    """

    user: str
    device: str
    provider: str = ""
    kind: str = ""
    address: str = ""
    p256dh: str = ""
    auth: str = ""
    app: str = ""
    environment: str = ""
    locale: str = ""
    time_zone: str = ""
    digest: str = ""
    registered_at: int = 0
    parked: str = ""
    level: str = ""
    muted_until: int = 0
    quiet: bytes = b""


class JobRow(msgspec.Struct, frozen=True):
    """What a user is to be told of a channel, at most one at a time. See `realtime.push.jobs`.

    `state`: "due", or "done": then it only remembers what was settled, and is swept in time.
    `lane` is 0 for channels of few members, 1 for large ones, which wait for their turn. `due_at`:
    when it is to be looked at; of a leased one the end of the lease, of a done one when it was
    settled. `lease` is the token of a claim, "" for none. `offset` is the newest entry that the
    user is to be told of, `first_at` when the first of those it stands for was made, `wait_until`
    as long as the newest has time to be seen.

    `pushed`: entries up to this one are settled, whether sent or dropped. `shown`: up to this one
    something was sent that may still be visible, 0 for nothing. `visible`: 1 while there is such a
    one, or one is being sent. `read`: how far the user has read, where something is visible.
    `again`: 1 where that was said since it was claimed, so settling it is not the end of it.
    `tries`: attempts since it was last settled. `at` is when that was. `retrying`: 1 while it waits
    because a device could not be told of the entry `failed`. `named` is the newest entry that
    mentions the user.
    """

    user: str
    channel: str
    state: str = ""
    lane: int = 0
    due_at: int = 0
    lease: str = ""
    offset: int = 0
    first_at: int = 0
    wait_until: int = 0
    pushed: int = 0
    shown: int = 0
    visible: int = 0
    read: int = 0
    again: int = 0
    tries: int = 0
    at: int = 0
    failed: int = 0
    retrying: int = 0
    named: int = 0


class DeadRow(msgspec.Struct, frozen=True):
    """A job that a provider will never take as it is. `place` sorts by time, and is its id.

    `why` is the provider's word. `provider` and `device` say where it was to go.
    """

    place: str
    user: str = ""
    channel: str = ""
    offset: int = 0
    device: str = ""
    provider: str = ""
    why: str = ""
    at: int = 0


class TrailRow(msgspec.Struct, frozen=True):
    """What was decided about telling `user` of what is in (`since`, `offset`] of a channel.

    `device` is "" for what concerns all of them. `reason` is of `realtime.push.reasons`, `detail`
    says more: which device has seen it, what the provider said, until when it waits. `tries` is how
    often it was attempted. `at` is when it was decided, or tried last.
    """

    user: str
    channel: str
    offset: int
    device: str
    reason: str = ""
    detail: str = ""
    since: int = 0
    tries: int = 0
    at: int = 0


DEVICES: Final = Table(
    "push_devices",
    DeviceRow,
    key=("user", "device"),
    indexes=(("digest", "user"), ("provider", "registered_at")),
)
JOBS: Final = Table(
    "push_jobs",
    JobRow,
    key=("user", "channel"),
    indexes=(("state", "lane", "due_at"), ("lease", "user"), ("channel", "user")),
)
DEAD: Final = Table("push_dead", DeadRow, key=("place",), indexes=(("user", "place"),))
TRAIL: Final = Table(
    "push_trail",
    TrailRow,
    key=("user", "channel", "offset", "device"),
    indexes=(("at",), ("channel", "offset")),
)

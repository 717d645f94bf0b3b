"""Who is here, since when, and who is typing."""

from typing import Annotated, Final, Literal

import msgspec

from realtime.auth.claims import DEVICE_ID_CHARACTERS_MAX
from realtime.chat.calls.fields import ChannelId, UserId
from realtime.chat.operations import Done, Operation

GOT_MAX: Final = 100
"""Users that one `presence.get` may name."""

WATCHED_MAX: Final = 200
"""Users that one `presence.watch` may name."""

WATCH_MAX_S: Final = 300
"""How long a watch may last without being renewed, in seconds."""

State = Literal["active", "background", "away", "offline"]
"""What a user is, from most to least. A device says the first three of itself."""

DeviceState = Literal["active", "background", "away"]

Device = Annotated[
    str,
    msgspec.Meta(
        max_length=DEVICE_ID_CHARACTERS_MAX,
        description='What the app calls the device that it runs on; "" is not said.',
    ),
]


class SetTyping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The caller types in a channel, or does not any more."""

    channel: ChannelId
    typing: bool = True


class SetPresence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the app is doing: in the foreground and used, in the background, or left alone.

    Over a socket it is said of that connection, and `device_id` is the device that it is on, if it
    did not say so when it connected. Over HTTP it is said of the device's connections, or, without
    one, of all that the caller has.
    """

    state: DeviceState
    device_id: Device = ""


class GetPresence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose presence to tell."""

    users: Annotated[tuple[UserId, ...], msgspec.Meta(min_length=1, max_length=GOT_MAX)]


class WatchPresence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose presence to tell now and when it changes, and for how many seconds."""

    users: Annotated[tuple[UserId, ...], msgspec.Meta(min_length=1, max_length=WATCHED_MAX)]
    ttl: Annotated[int, msgspec.Meta(ge=1, le=WATCH_MAX_S)] = WATCH_MAX_S


class UnwatchPresence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom not to watch any more; nobody named is all of them."""

    users: Annotated[tuple[UserId, ...], msgspec.Meta(max_length=WATCHED_MAX)] = ()


class UserPresence(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a user is since then (ms), to be believed until `valid_until` (ms).

    `since` of who is offline is when they were last here; it is left out where they hide it, and
    where nobody knows.
    """

    user: str
    state: State
    valid_until: int
    since: int = 0


class Presences(msgspec.Struct, frozen=True):
    """In the order of the question, each user once."""

    users: list[UserPresence]


class WatchedPresences(msgspec.Struct, frozen=True):
    """What they are now; changes are told on the personal channel until `until` (ms).

    Each as `{"type":"presence","users":[…]}`. A change is not believed longer than the watch lasts.
    """

    until: int
    users: list[UserPresence]


_SEEN: Final = (
    "Anybody who knows a user's id may ask, unless one of the two blocks the other: then the user "
    "is offline. Who hides when they were last here has no `since` while they are offline."
)

OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        "chat.typing",
        "POST",
        "/channels/{channel}/typing",
        SetTyping,
        Done,
        who="writer",
        spends="typing",
        summary="Say that one is typing.",
        errors=(404, 423),
        description=(
            "Whoever is subscribed is told, at most once in three seconds for each user, with "
            "until when to believe it. Sending ends it. Large channels do without."
        ),
    ),
    Operation(
        "presence.set",
        "PUT",
        "/presence",
        SetPresence,
        Done,
        who="user",
        spends="typing",
        summary="Say whether the app is in use.",
        description=(
            "A connection is active until it says otherwise. A user is what the best of all their "
            "connections is, and offline fifteen seconds after the last one is gone."
        ),
    ),
    Operation(
        "presence.get",
        "GET",
        "/presence",
        GetPresence,
        Presences,
        who="user",
        spends="reads",
        summary="Who is here.",
        description=_SEEN,
    ),
    Operation(
        "presence.watch",
        "POST",
        "/presence/watch",
        WatchPresence,
        WatchedPresences,
        who="user",
        spends="reads",
        summary="Who is here, and be told when that changes.",
        errors=(106,),
        description=(
            "To renew a watch, watch the same users again. Watches made over a socket end with "
            f"the connection. {_SEEN}"
        ),
    ),
    Operation(
        "presence.unwatch",
        "POST",
        "/presence/unwatch",
        UnwatchPresence,
        Done,
        who="user",
        spends="typing",
        summary="Be told no more.",
    ),
)

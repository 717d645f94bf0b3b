"""Push: the devices that users can be told on while they are away, and of what they want to be."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from realtime.auth.claims import DeviceId
from realtime.chat.calls.fields import ChannelId
from realtime.chat.operations import Done, Operation
from realtime.push.quiet import Quiet

ADDRESS_MAX: Final = 4_096
"""Characters of an address."""

ProviderName = Literal["fcm", "apns", "webpush"]
AddressKind = Literal["token", "fid", "subscription"]
Level = Literal["", "all", "mentions", "none"]
"""Of what: everything, what mentions the user, nothing; "" is what the namespace has."""

Until = Annotated[
    int, msgspec.Meta(ge=-1, description="Milliseconds since 1970; 0 for not muted, -1 for ever.")
]


class RegisterDevice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the caller can be reached.

    `device` is what the app calls the phone or browser, as when it connects: the same again is the
    same device, with what is given now. `address` is the token that FCM or APNs gave the app, a
    Firebase installation id (`kind` "fid"), or the endpoint of a Web Push subscription, with its
    keys `p256dh` and `auth` (base64url). `app` is the app's id, for APNs the topic; `environment`
    is APNs' own. `locale` is a language tag (BCP 47), `time_zone` a name of the IANA database.
    """

    device: DeviceId
    provider: ProviderName
    address: Annotated[str, msgspec.Meta(min_length=1, max_length=ADDRESS_MAX)]
    kind: AddressKind | UnsetType = UNSET
    p256dh: Annotated[str, msgspec.Meta(max_length=128)] = ""
    auth: Annotated[str, msgspec.Meta(max_length=64)] = ""
    app: Annotated[str, msgspec.Meta(max_length=255)] = ""
    environment: Literal["", "production", "sandbox"] = ""
    locale: Annotated[str, msgspec.Meta(max_length=64)] = ""
    time_zone: Annotated[str, msgspec.Meta(max_length=64)] = ""


class UnregisterDevice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which device of the caller's is not to be told of anything any more."""

    device: DeviceId


class ListDevices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing."""


class RegisteredDevice(msgspec.Struct, frozen=True, omit_defaults=True):
    """A device, without its address, which is a secret. `registered_at` (ms): last.

    `parked` says why nothing is sent to it until it registers again.
    """

    device: str
    provider: str
    kind: str
    registered_at: int
    app: str = ""
    environment: str = ""
    locale: str = ""
    time_zone: str = ""
    parked: str = ""


class RegisteredDevices(msgspec.Struct, frozen=True):
    """In the order of their ids."""

    devices: list[RegisteredDevice]


class AskKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing."""


class ServerKeys(msgspec.Struct, frozen=True):
    """`application_server_key` is what a browser subscribes with, in base64url.

    "" where this server has no Web Push.
    """

    application_server_key: str


class AskPushSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of one channel, or without it of the caller."""

    channel: Annotated[str, msgspec.Meta(max_length=255)] = ""


class QuietHours(Quiet, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """When the caller wants to be left alone, by the clock of `zone`, a name of the IANA database.

    From `start_minute` to `end_minute`, minutes since midnight; an end that is not later than the
    start is on the next day, equal ones are a whole day. `days` are those on which it begins (1 is
    Monday); none are all.
    """


class ChangePushSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is not given stays as it is. `quiet` are hours of silence, null for none."""

    level: Level | UnsetType = UNSET
    muted_until: Until | UnsetType = UNSET
    quiet: QuietHours | UnsetType | None = UNSET


class ChangeChannelPush(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same for one channel that the caller is in, over what holds for all."""

    channel: ChannelId
    level: Level | UnsetType = UNSET
    muted_until: Until | UnsetType = UNSET


class PushWishes(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the caller wants to be told of, without what was never set.

    For one channel there are no `quiet` hours.
    """

    level: Level = ""
    muted_until: int = 0
    quiet: Quiet | None = None


OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        "push.register",
        "PUT",
        "/push/devices/{device}",
        RegisterDevice,
        RegisteredDevice,
        who="user",
        spends="invites",
        summary="Say where one can be reached; again whenever the app starts",
        description=(
            "An address belongs to one user: whoever registers it last. It is never told to"
            " anybody. What does not register for a long time is forgotten, and of more devices"
            " than a user may have the one that registered longest ago."
        ),
    ),
    Operation(
        "push.unregister",
        "DELETE",
        "/push/devices/{device}",
        UnregisterDevice,
        Done,
        who="user",
        spends="invites",
        summary="Not to be told on a device any more, as when signing out",
    ),
    Operation(
        "push.devices",
        "GET",
        "/push/devices",
        ListDevices,
        RegisteredDevices,
        who="user",
        spends="reads",
        summary="The caller's devices",
    ),
    Operation(
        "push.keys",
        "GET",
        "/push/keys",
        AskKeys,
        ServerKeys,
        who="user",
        spends="reads",
        summary="The key with which a browser subscribes to Web Push",
        description=(
            "For `pushManager.subscribe`, before the device is registered. A browser that has"
            " subscribed with another key has to subscribe anew."
        ),
    ),
    Operation(
        "push.settings",
        "GET",
        "/push/settings",
        AskPushSettings,
        PushWishes,
        who="user",
        spends="reads",
        summary="Of what the caller wants to be told, in general or of one channel",
        errors=(404,),
    ),
    Operation(
        "push.change",
        "PATCH",
        "/push/settings",
        ChangePushSettings,
        PushWishes,
        who="user",
        spends="edits",
        summary="Change it: everything, mentions, nothing; muted; quiet hours",
    ),
    Operation(
        "push.change_channel",
        "PATCH",
        "/channels/{channel}/push",
        ChangeChannelPush,
        PushWishes,
        who="member",
        spends="edits",
        summary="Change it for one channel",
        errors=(404,),
    ),
)

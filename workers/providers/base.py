"""What a provider of notifications does: the contract, and what goes in and comes out.

A provider takes one `Notice` for one `Target` and answers with one of five `Outcome`s. It never
raises for what its service or the network does; it never tries again by itself, but where the
service's own rules ask for it (an access token renewed once, the requests that a GOAWAY has not
taken). Everything else, when to try again and what to forget, is decided by who called. Addresses
and keys are secrets: none of them is in a log, in an outcome or in a repr.
"""

from collections.abc import Mapping
from typing import Literal, Protocol

import msgspec

ProviderName = Literal["fcm", "apns", "webpush"]
AddressKind = Literal["token", "fid", "subscription"]


class Target(msgspec.Struct, frozen=True):
    """A device as its provider knows it.

    `address` is a token ("token": FCM, and APNs in hex), a Firebase installation id ("fid") or the
    URL of a Web Push subscription ("subscription"), whose `p256dh` and `auth` are its keys in
    base64url. `app` names the application: the bundle id, which is the APNs topic; "" is the one of
    the settings. `environment`: of APNs, "" where the device did not say.
    """

    provider: ProviderName
    kind: AddressKind
    address: str
    p256dh: str = ""
    auth: str = ""
    app: str = ""
    environment: Literal["", "production", "sandbox"] = ""

    def __repr__(self) -> str:
        return f"<Target {self.provider} {self.kind}>"


class Notice(msgspec.Struct, frozen=True):
    """What a device is to be told.

    `act`: "show" a notification, or "clear" one that was shown before, without a sound. `id` is a
    UUID that stays the same when the same notice is tried again. `collapse` (32 hex digits) is the
    same for all that replaces one another. `title` and `body` are empty in content-free mode.
    `badge` is the number on the app's icon, -1 to leave it. `data` is for the app. `expires` is in
    seconds since 1970: later than that it is of no use. `urgent`: somebody is waiting for it.
    """

    act: Literal["show", "clear"]
    id: str
    collapse: str
    title: str
    body: str
    badge: int
    data: Mapping[str, str]
    expires: int
    urgent: bool = True


class Delivered(msgspec.Struct, frozen=True):
    """The service has taken it, which does not say that it was shown. `id`: what it calls it.

    `environment`: which of APNs' two took it, where the device had not said its own.
    """

    id: str = ""
    environment: Literal["", "production", "sandbox"] = ""


class Rejected(msgspec.Struct, frozen=True):
    """The address is dead: forget the device, unless it registered after `since` (ms, 0: now).

    `parked`: it may be good for another app or project: keep it, and send it nothing until it
    registers again. `why` is the service's word for it.
    """

    why: str
    since: int = 0
    parked: bool = False


class Later(msgspec.Struct, frozen=True):
    """Not now. `after_s`: how long the service asks to wait, 0 where it does not say.

    `scope`: whether this device is to be spared, or the whole provider. `asked`: False where the
    service was not, since we hold back ourselves: that is no try.
    """

    why: str
    after_s: float = 0.0
    scope: Literal["device", "provider"] = "provider"
    asked: bool = True


class Failed(msgspec.Struct, frozen=True):
    """Never: the service will not take this notice, however often it is tried."""

    why: str


class Misconfigured(msgspec.Struct, frozen=True):
    """Our own credentials or settings are wrong: say so, send nothing for a while, lose nothing.

    Never a reason to forget a device.
    """

    why: str


Outcome = Delivered | Rejected | Later | Failed | Misconfigured


class Provider(Protocol):
    """One service. `run` is to be running while `send` is called."""

    @property
    def name(self) -> ProviderName:
        """Which one it is."""
        ...

    async def run(self) -> None:
        """Keep connections until cancelled; what it dies of, its parent dies of."""
        ...

    async def send(self, target: Target, notice: Notice) -> Outcome:
        """Carry one notice to one device: within the provider's own timeout, else `Later`.

        Any number at once; those above the provider's concurrency wait. Cancelling may leave it
        sent or not.
        """
        ...

    async def close(self) -> None:
        """Let go of the connections, within a few seconds. Idempotent."""
        ...

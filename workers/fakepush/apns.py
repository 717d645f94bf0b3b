"""APNs: what becomes of each request to one of its two hosts."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from workers.fakepush.apns_notice import (
    bundle_of,
    check_headers,
    given_id,
    notice_headers,
    read_notice,
)
from workers.fakepush.devices import Device
from workers.fakepush.outcomes import OK, Outcome, What
from workers.fakepush.phones import Push
from workers.fakepush.provider_tokens import INVALID, ConnectionToken
from workers.fakepush.refusals import Refusal
from workers.fakepush.world import World

_PATH: Final = "/3/device/"

_REFUSALS: Final[Mapping[What, Refusal]] = {
    "dead": Refusal(410, "Unregistered"),
    "expired": Refusal(410, "ExpiredToken"),
    "bad_token": Refusal(400, "BadDeviceToken"),
    "wrong_environment": Refusal(400, "BadDeviceToken"),
    "sender_mismatch": Refusal(400, "DeviceTokenNotForTopic"),
    "bad_payload": Refusal(400, "BadMessageId"),
    "too_large": Refusal(413, "PayloadTooLarge"),
    "busy_device": Refusal(429, "TooManyRequests"),
    "busy": Refusal(429, "TooManyRequests"),
    "unavailable": Refusal(503, "ServiceUnavailable"),
    "internal_error": Refusal(500, "InternalServerError"),
    "wrong_credentials": INVALID,
    "third_party": INVALID,
}
"""What is not here is not an answer, but something that the connection does."""

_BAD_PATH: Final = Refusal(404, "BadPath")


class Verdict(NamedTuple):
    """What the connection is to do. `id` is the answer's `apns-id`; `since_ms` its `timestamp`.

    Without a refusal, `outcome` says how the push that is delivered is answered.
    """

    id: str
    refusal: Refusal | None
    outcome: Outcome = OK
    device: Device | None = None
    push: Push | None = None
    since_ms: int = 0


class ApnsHost:
    """One of the two: "production" or "sandbox". It knows the devices of its environment only."""

    def __init__(self, world: World, environment: str) -> None:
        self.world = world
        self.environment = environment
        self.connections = 0
        """How many there ever were."""

    def __repr__(self) -> str:
        return f"<ApnsHost {self.environment}>"

    def judge(self, headers: Mapping[str, str], body: bytes, used: ConnectionToken) -> Verdict:
        """Decide; nothing is delivered yet. `used` is the connection's, and may change."""
        world = self.world
        id = given_id(headers)
        if id is None:
            return Verdict("", Refusal(400, "BadMessageId"))
        if headers[":method"] != "POST":
            return Verdict(id, Refusal(405, "MethodNotAllowed"))
        path = headers[":path"]
        if not path.startswith(_PATH):
            return Verdict(id, _BAD_PATH)
        refusal = world.provider_tokens.check(
            headers.get("authorization", ""),
            used,
            now=world.clock.now(),
            tokens_max=world.rules.apns_tokens_max,
        )
        if refusal is None:
            refusal = check_headers(headers)
        if refusal is not None:
            return Verdict(id, refusal)
        push = read_notice(headers, body, id)
        if isinstance(push, Refusal):
            return Verdict(id, push)
        key = path.removeprefix(_PATH)
        if not key:
            return Verdict(id, Refusal(400, "MissingDeviceToken"))
        return self._for_device(id, world.devices.find("apns", key.lower()), push, headers)

    def log(
        self, verdict: Verdict, status: int, headers: Mapping[str, str], connection: int
    ) -> None:
        """Write the request down; `status` 0 is no answer."""
        why = verdict.outcome.what if verdict.refusal is None else verdict.refusal.why
        self.world.journal.add(
            "apns",
            status,
            at_ms=self.world.clock.now_ms(),
            why="" if why == "ok" else why,
            device="" if verdict.device is None else verdict.device.id,
            environment=self.environment,
            connection=connection,
            headers=notice_headers(headers) if verdict.push is None else verdict.push.headers,
        )

    def _for_device(
        self, id: str, device: Device | None, push: Push, headers: Mapping[str, str]
    ) -> Verdict:
        outcome = self.world.outcome("apns", device)
        refusal = _REFUSALS.get(outcome.what)
        if refusal is not None:
            since = outcome.since_ms or self.world.clock.now_ms() if refusal.status == 410 else 0
            return Verdict(id, refusal, outcome, device, push, since)
        if device is None or (device.outcome is None and device.environment != self.environment):
            return Verdict(id, Refusal(400, "BadDeviceToken"), outcome, device, push)
        if device.app != bundle_of(headers):
            return Verdict(id, Refusal(400, "DeviceTokenNotForTopic"), outcome, device, push)
        return Verdict(id, None, outcome, device, push)

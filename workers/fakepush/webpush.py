"""A Web Push service, and the browsers behind it, which open what they get."""

import re
import secrets
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from aiohttp import web

from workers.fakepush.devices import Device
from workers.fakepush.holding import UNANSWERED, hold
from workers.fakepush.message_encryption import CannotOpen, open_body
from workers.fakepush.outcomes import OK, Outcome, What
from workers.fakepush.phones import Push
from workers.fakepush.refusals import Refusal
from workers.fakepush.vapid import Vapid
from workers.fakepush.world import World

BODY_MAX_BYTES: Final = 4_096

_URGENCIES: Final = {"very-low", "low", "normal", "high"}
_TOPIC: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_TTL: Final = re.compile(r"\d{1,10}")
_TOLD: Final = ("TTL", "Urgency", "Topic", "Content-Encoding")

_NONE: Final = Refusal(404, "no such subscription")

_REFUSALS: Final[Mapping[What, Refusal]] = {
    "dead": Refusal(410, "the subscription is gone"),
    "expired": Refusal(410, "the subscription has expired"),
    "bad_token": _NONE,
    "wrong_environment": _NONE,
    "sender_mismatch": Refusal(403, "the key is not the one of the subscription"),
    "bad_payload": Refusal(400, "bad request"),
    "too_large": Refusal(413, "the payload is too large"),
    "busy_device": Refusal(429, "too many for this subscription"),
    "busy": Refusal(429, "too many requests"),
    "unavailable": Refusal(503, "unavailable"),
    "internal_error": Refusal(500, "internal error"),
    "wrong_credentials": Refusal(403, "the key is refused"),
    "third_party": Refusal(403, "the key is refused"),
}


class WebPush:
    """Serves `POST /push/{id}`, at one origin."""

    def __init__(self, world: World, origin: str) -> None:
        self._world = world
        self._origin = origin
        self._vapid = Vapid(origin)

    def routes(self) -> list[web.RouteDef]:
        """What aiohttp is to serve."""
        return [web.post("/push/{id}", self.push)]

    async def push(self, request: web.Request) -> web.Response:
        """Take one message."""
        body = await request.read()
        headers, world = request.headers, self._world
        told = {name.lower(): headers[name] for name in _TOLD if name in headers}
        refused = self._vapid.check(headers.get("Authorization", ""), now=world.clock.now())
        if refused is None:
            refused = _check_headers(headers, body)
        if refused is not None:
            return self._refuse(refused, told)
        device = world.devices.find("webpush", request.match_info["id"])
        outcome = world.outcome("webpush", device)
        refused = _REFUSALS.get(outcome.what)
        if refused is None and device is None:
            refused = _NONE
        if refused is not None:
            return self._refuse(refused, told, outcome, device)
        assert device is not None  # else it was refused
        id = secrets.token_hex(16)
        try:
            arrived = _open(device, body, told, id)
        except CannotOpen as error:
            # A real service cannot know; the browser would drop it without a word.
            return self._refuse(Refusal(400, f"cannot be opened: {error}"), told, OK, device)
        if outcome.what not in ("hang", "goaway"):
            world.deliver(device, arrived)
        status = 0 if outcome.what in UNANSWERED else 201
        self._log(status, "" if outcome.what == "ok" else outcome.what, told, device)
        if outcome.what != "ok":
            await hold(request, outcome, world)
        location = f"{self._origin}/message/{id}"
        return web.Response(status=201, headers={"Location": location, "TTL": told["ttl"]})

    def _refuse(
        self,
        refused: Refusal,
        told: Mapping[str, str],
        outcome: Outcome = OK,
        device: Device | None = None,
    ) -> web.Response:
        self._log(refused.status, refused.why, told, device)
        answer = web.Response(status=refused.status, text=f"{refused.why}\n")
        if refused.status == 401:
            answer.headers["WWW-Authenticate"] = "vapid"
        if outcome.retry_after_s is not None and refused.status in (429, 503):
            answer.headers["Retry-After"] = str(outcome.retry_after_s)
        return answer

    def _log(self, status: int, why: str, told: Mapping[str, str], device: Device | None) -> None:
        self._world.journal.add(
            "webpush",
            status,
            at_ms=self._world.clock.now_ms(),
            why=why,
            device="" if device is None else device.id,
            headers=told,
        )


def _check_headers(headers: Mapping[str, str], body: bytes) -> Refusal | None:
    if not _TTL.fullmatch(headers.get("TTL", "")):
        return Refusal(400, "TTL is not a number of seconds")
    if headers.get("Urgency", "normal") not in _URGENCIES:
        return Refusal(400, "Urgency is none of very-low, low, normal and high")
    topic = headers.get("Topic")
    if topic is not None and not _TOPIC.fullmatch(topic):
        return Refusal(400, "Topic is not up to 32 characters of base64url")
    if len(body) > BODY_MAX_BYTES:
        return Refusal(413, "the payload is too large")
    if body and headers.get("Content-Encoding") != "aes128gcm":
        return Refusal(415, "Content-Encoding is not aes128gcm")
    return None


def _open(device: Device, body: bytes, told: Mapping[str, str], id: str) -> Push:
    """What the browser does with it. Raises CannotOpen."""
    assert device.private is not None  # a subscription has keys
    text = open_body(body, device.private, device.public, device.auth) if body else b""
    payload: Any = text.decode("utf-8", "replace")
    try:
        payload = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Any bytes are good for the service; the app may know what they are.
        pass
    found: Mapping[str, Any] = payload if isinstance(payload, dict) else {}
    clears = found.get("act") == "clear"
    collapse = told.get("topic", "")
    badge = found.get("badge", -1)
    return Push(
        id=id,
        collapse=collapse,
        # Whatever else arrives is shown, if need be by the browser in its own words.
        shows=not clears,
        clears=str(found.get("collapse", collapse)) if clears else "",
        title=_text(found, "title"),
        body=_text(found, "body"),
        badge=badge if isinstance(badge, int) else -1,
        headers=told,
        payload=payload,
    )


def _text(found: Mapping[str, Any], field: str) -> str:
    value = found.get(field, "")
    return value if isinstance(value, str) else ""

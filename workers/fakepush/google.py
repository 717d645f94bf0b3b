"""Google's two endpoints: the one that gives access tokens, and FCM's HTTP v1 API."""

import uuid
from typing import Final, Literal

import msgspec
from aiohttp import web

from workers.fakepush.access_tokens import OAuthError
from workers.fakepush.credentials import PROJECT
from workers.fakepush.devices import Device
from workers.fakepush.fcm_message import Message, WrongMessage, read_body, read_push
from workers.fakepush.google_errors import (
    BAD_TOKEN,
    OTHER_PROJECT,
    TOKEN_REFUSALS,
    UNAUTHENTICATED,
    GoogleError,
    invalid,
    refusal,
)
from workers.fakepush.holding import UNANSWERED, hold
from workers.fakepush.outcomes import OK, Outcome
from workers.fakepush.world import World

TOKEN_PATH: Final = "/token"  # noqa: S105 (a path)
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Google:
    """Serves both from one port. Needs the world to be placed."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        """What aiohttp is to serve."""
        return [
            web.post(TOKEN_PATH, self.give_token),
            web.post("/v1/projects/{project}/messages:send", self.send),
        ]

    async def give_token(self, request: web.Request) -> web.Response:
        """Exchange an assertion for an access token."""
        form = await request.post()
        grant, assertion = form.get("grant_type"), form.get("assertion")
        world = self._world
        outcome = world.scripts.take("oauth", "") or OK
        if outcome.what in TOKEN_REFUSALS:
            return self._refuse_token(*TOKEN_REFUSALS[outcome.what], outcome)
        life_s = world.rules.access_token_life_s
        try:
            if grant != _GRANT:
                raise OAuthError("unsupported_grant_type", "Invalid grant_type")
            if not isinstance(assertion, str):
                raise OAuthError("invalid_request", "Missing required parameter: assertion")
            token = world.access_tokens.exchange(assertion, now=world.clock.now(), life_s=life_s)
        except OAuthError as error:
            return self._refuse_token(400, error.code, error.description)
        status = 0 if outcome.what in UNANSWERED else 200
        self._log("oauth", status, "" if outcome.what == "ok" else outcome.what)
        if outcome.what != "ok":
            await hold(request, outcome, world)
        given = {"access_token": token, "expires_in": life_s, "token_type": "Bearer"}
        return _json(200, given)

    async def send(self, request: web.Request) -> web.Response:
        """Take one message."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        raw = await request.read()
        world = self._world
        if scheme != "Bearer" or not world.access_tokens.good(token, now=world.clock.now()):
            return self._refuse(UNAUTHENTICATED)
        if request.match_info["project"] != PROJECT:
            return self._refuse(OTHER_PROJECT)
        try:
            body = read_body(raw)
        except WrongMessage as wrong:
            return self._refuse(invalid(wrong.field, wrong.description))
        message = body.message
        device = self._device(message)
        outcome = world.outcome("fcm", device)
        error = refusal(outcome)
        if error is None and device is None and not (message.topic or message.condition):
            error = BAD_TOKEN
        if error is not None:
            return self._refuse(error, outcome, device)
        name = f"projects/{PROJECT}/messages/{uuid.uuid4().hex}"
        if outcome.what not in ("hang", "goaway") and device is not None and not body.validate_only:
            world.deliver(device, read_push(message, name))
        status = 0 if outcome.what in UNANSWERED else 200
        self._log("fcm", status, "" if outcome.what == "ok" else outcome.what, device)
        if outcome.what != "ok":
            await hold(request, outcome, world)
        return _json(200, {"name": name})

    def _refuse_token(
        self, status: int, code: str, description: str, outcome: Outcome = OK
    ) -> web.Response:
        self._log("oauth", status, description)
        answer = _json(status, {"error": code, "error_description": description})
        return _told_when(answer, outcome)

    def _device(self, message: Message) -> Device | None:
        device = self._world.devices.find("fcm", message.token or message.fid)
        if device is None or device.outcome is not None:
            return device
        # An installation id is no registration token, nor the other way round.
        return device if (device.kind == "fid") == bool(message.fid) else None

    def _refuse(
        self, error: GoogleError, outcome: Outcome = OK, device: Device | None = None
    ) -> web.Response:
        self._log("fcm", error.code, error.word, device)
        return _told_when(_json(error.code, error.body), outcome)

    def _log(
        self,
        door: Literal["oauth", "fcm"],
        status: int,
        why: str = "",
        device: Device | None = None,
    ) -> None:
        self._world.journal.add(
            door,
            status,
            at_ms=self._world.clock.now_ms(),
            why=why,
            device="" if device is None else device.id,
        )


def _told_when(answer: web.Response, outcome: Outcome) -> web.Response:
    if outcome.retry_after_s is not None and answer.status in (429, 503):
        answer.headers["Retry-After"] = str(outcome.retry_after_s)
    return answer


def _json(status: int, told: object) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(told), content_type="application/json"
    )

"""From a message to its use cases: in order per connection, and one boundary for what goes wrong.

Most commands are performed at once. One that must wait (a channel's head, a page of history, a
published key) gets a task, and the connection's later commands queue behind it, so that answers
keep the order of questions. Publishes never wait here: they are queued for a commit and answered
by it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from realtime.errors import (
    CONNECTION_EXPIRED,
    EXPIRED,
    FLOODING,
    FORBIDDEN,
    INTERNAL,
    INTERNAL_ERROR,
    PERMISSION_DENIED,
    TOKEN_EXPIRED,
    TOO_MANY_REQUESTS,
    CommandRefused,
    ConnectionRefused,
)
from realtime.hub.client import UNANSWERED_MAX, Client
from realtime.hub.clock import Clock
from realtime.hub.rate_limits import RateLimits
from realtime.hub.responder import Responder
from realtime.hub.statistics import Statistics
from realtime.protocol.commands import ConnectRequest, PublishRequest, Request

logger = logging.getLogger(__name__)

INBOX_MAX: Final = 256
"""Commands of one connection that may wait before its transport is told to read no more."""

COMMANDS_PER_TURN: Final = 32
"""Commands of one message that are performed before other connections get their turn."""

_CLOSES: Final = {
    TOKEN_EXPIRED: CONNECTION_EXPIRED,
    EXPIRED: CONNECTION_EXPIRED,
    TOO_MANY_REQUESTS: FLOODING,
    PERMISSION_DENIED: FORBIDDEN,
}
"""What is closed with in place of an error at connect, where the client only listens (protocol 7);
in place of any other error with 3004."""

Waiting = Coroutine[object, object, None]
# Each handler takes the request type that it is registered under.
Handler = Callable[[Client, int, Any], Waiting | None]


class Dispatch:
    """Performs commands. `spawn` hosts a coroutine in a task that has a parent.

    `unconnected` undoes what a connect began, when it is answered with an error.
    """

    def __init__(
        self,
        handlers: Mapping[type[Request], Handler],
        *,
        limits: RateLimits,
        responder: Responder,
        statistics: Statistics,
        clock: Clock,
        spawn: Callable[[Waiting], object],
        unconnected: Callable[[Client], None],
    ) -> None:
        self._handlers = dict(handlers)
        self._limits = limits
        self._responder = responder
        self._statistics = statistics
        self._clock = clock
        self._spawn = spawn
        self._unconnected = unconnected

    def received(self, client: Client, payload: bytes) -> None:
        """Perform the commands of one message. Never raises; the client may be closed after it."""
        if client.closed is not None:
            return
        self._statistics.messages_received += 1
        self._statistics.bytes_received += len(payload)
        try:
            commands = client.session.receive(payload)
        except ConnectionRefused as refusal:
            self._responder.close(client, refusal.disconnect)
            return
        inbox = client.inbox
        if inbox is not None:
            inbox.extend(commands)
            if len(inbox) >= INBOX_MAX:
                client.transport.pause_reading()
            return
        for index, (id, request) in enumerate(commands):
            if index == COMMANDS_PER_TURN:
                client.inbox = deque(commands[index:])
                self._spawn(self._work_off(client))
                return
            waiting = self._begin(client, id, request)
            if waiting is not None:
                client.inbox = deque(commands[index + 1 :])
                self._spawn(self._finish(client, id, request, waiting))
                return
            if client.closed is not None or client.session.is_refused:
                return

    def _begin(self, client: Client, id: int, request: Request) -> Waiting | None:
        """Perform a command as far as it goes without waiting; answer what is left to do."""
        self._statistics.commands += 1
        try:
            if self._limits.enabled:
                self._check_rates(client, request)
            return self._handlers[type(request)](client, id, request)
        except (CommandRefused, ConnectionRefused) as refusal:
            self._refuse(client, id, request, refusal)
        except Exception:  # noqa: BLE001 - the boundary of one command: a defect ends one client
            self._failed(client, request)
        return None

    def _check_rates(self, client: Client, request: Request) -> None:
        now = self._clock.monotonic()
        if not self._limits.admit_command(client, now) or (
            type(request) is PublishRequest and not self._limits.admit_publish(client, now)
        ):
            raise CommandRefused(TOO_MANY_REQUESTS)

    async def _finish(self, client: Client, id: int, request: Request, waiting: Waiting) -> None:
        """Wait for a command, then perform those that came meanwhile."""
        await self._wait(client, id, request, waiting)
        await self._work_off(client)

    async def _work_off(self, client: Client) -> None:
        """Perform the commands that wait, a bounded number before others get their turn."""
        performed = 0
        while client.inbox and client.closed is None and not client.session.is_refused:
            if performed % COMMANDS_PER_TURN == 0:
                await asyncio.sleep(0)
                if not client.inbox or client.closed is not None:
                    break
            id, request = client.inbox.popleft()
            performed += 1
            waiting = self._begin(client, id, request)
            if waiting is not None:
                await self._wait(client, id, request, waiting)
        client.inbox = None
        if client.closed is None and client.unanswered < UNANSWERED_MAX:
            client.transport.resume_reading()

    async def _wait(self, client: Client, id: int, request: Request, waiting: Waiting) -> None:
        try:
            await waiting
        except (CommandRefused, ConnectionRefused) as refusal:
            self._refuse(client, id, request, refusal)
        except Exception:  # noqa: BLE001 - the same boundary, for commands that waited
            self._failed(client, request)

    def _refuse(
        self,
        client: Client,
        id: int,
        request: Request,
        refusal: CommandRefused | ConnectionRefused,
    ) -> None:
        if client.closed is not None:
            return
        if isinstance(refusal, ConnectionRefused):
            self._responder.close(client, refusal.disconnect)
        elif client.wire.codec.is_unidirectional:
            self._responder.close(client, _CLOSES.get(refusal.error, INTERNAL_ERROR))
        else:
            self._responder.refuse(client, id, refusal.error)
            if type(request) is ConnectRequest:
                self._unconnected(client)

    def _failed(self, client: Client, request: Request) -> None:
        logger.exception("client %s: %s failed", client.id, request.method)
        self._statistics.errors[INTERNAL.code] += 1
        if client.closed is None:
            self._responder.close(client, INTERNAL_ERROR)

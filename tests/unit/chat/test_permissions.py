"""Every operation of the table, for everybody there is: nobody gets what is not theirs."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest

from realtime.chat.caller import Caller
from realtime.chat.operations import Operation
from realtime.chat.parameters import Parameters
from realtime.chat.service import ChatService
from realtime.chat.table import ALL
from realtime.errors import CommandRefused
from realtime.settings.schema import ChatSettings
from tests.support.chat import FEED, ROOM, caller, chat_parts
from tests.support.permission_matrix import PARAMS, REFUSALS, STANDINGS, Standing, may
from tests.support.permission_matrix import ROOM as CHANNEL

UNLIMITED: Final = ChatSettings(
    sends_per_s=0, edits_per_s=0, typing_per_s=0, creates_per_s=0, invites_per_s=0, reads_per_s=0
)


class House:
    """A room with everybody in it who can be, and what the parameters stand for."""

    def __init__(self, service: ChatService) -> None:
        self.service = service
        self.made: dict[str, Any] = {}
        self._calls = 0

    async def call(self, by: Caller, method: str, **params: Any) -> Any:
        """What somebody is answered. Raises CommandRefused."""
        self._calls += 1
        call = self.service.calls.by_name[method]
        if "client_id" in call.parameters.names:
            params.setdefault("client_id", f"call-{self._calls}")
        data = json.dumps(params).encode()
        result = await self.service.calls.perform(by, call, lambda: call.parameters.read(data))
        return result

    async def furnish(self) -> None:
        """Make the room, its people, a message, a report, a post and an erasure."""
        owner, member = caller("owner"), caller("member")
        people = ["moderator", "member", "reader", "muted", "left", "kicked", "banned", "target"]
        places = [
            {"user": user, "role": user if user in ("moderator", "reader") else "member"}
            for user in people
        ]
        await self.call(owner, "chat.create", namespace="room", id="matrix", members=places)
        await self.call(caller("left"), "chat.leave", channel=CHANNEL)
        await self.call(owner, "chat.kick", channel=CHANNEL, user="kicked")
        await self.call(owner, "chat.ban", channel=CHANNEL, user="banned")
        await self.call(owner, "chat.mute", channel=CHANNEL, user="muted")
        sent = await self.call(member, "chat.send", channel=CHANNEL, data={"text": "hello"})
        report = await self.call(
            caller("target"), "chat.report", channel=CHANNEL, offset=sent.offset, reason="spam"
        )
        post = await self.call(member, "feed.post", namespace="feed", data={"text": "post"})
        for user in (*people, "owner", "stranger", "somebody"):
            await self.call(caller(user), "user.update", user=user, name=user)
        erasure = await self.call(caller("somebody", "admin"), "user.erase", user="nobody")
        self.made = {
            "message": sent.offset,
            "report": report.report,
            "place": post.place,
            "erasure": erasure.erasure,
        }

    def params(self, operation: Operation) -> dict[str, Any]:
        """Good ones."""
        return {
            key: self.made.get(value, value) if isinstance(value, str) else value
            for key, value in PARAMS[operation.name].items()
        }


@asynccontextmanager
async def furnished() -> AsyncIterator[House]:
    """A house over an empty store."""
    async with chat_parts(UNLIMITED) as parts:
        service = ChatService(
            store=parts.store,
            stage=parts.stage,
            memberships=parts.memberships,
            clock=parts.clock,
            settings=UNLIMITED,
            namespaces={"room": ROOM, "feed": FEED},
            data_max_bytes=65_536,
        )
        house = House(service)
        await house.furnish()
        yield house


def somebody(standing: Standing) -> Caller:
    """Of this standing; called as they stand."""
    if standing == "guest":
        return Caller("", "guest", client="c")
    return caller(standing, "admin" if standing == "admin" else "user")


@pytest.mark.parametrize("standing", STANDINGS)
async def test_nobody_gets_what_is_not_theirs_and_everybody_what_is(standing: Standing) -> None:
    wrong = []
    async with furnished() as shared:
        for operation in ALL:
            if operation.method == "GET" or not may(operation, standing):
                wrong += await tried(shared, operation, standing)
                continue
            async with furnished() as house:
                wrong += await tried(house, operation, standing)
    assert wrong == []


async def tried(house: House, operation: Operation, standing: Standing) -> list[str]:
    """What is wrong with how somebody is answered."""
    code = 0
    try:
        await house.call(somebody(standing), operation.name, **house.params(operation))
    except CommandRefused as refused:
        code = refused.error.code
    if may(operation, standing):
        return [f"{operation.name}: refused with {code}"] if code in REFUSALS - {423} else []
    return [] if code in REFUSALS else [f"{operation.name}: let in ({code})"]


@pytest.mark.parametrize("operation", ALL, ids=lambda each: each.name)
async def test_a_namespace_without_chat_has_no_chat(operation: Operation) -> None:
    parameters = Parameters(operation)
    async with furnished() as house:
        params = house.params(operation)
        if "channel" in parameters.names and "channel" in params:
            params["channel"] = "feed:matrix"
        elif "namespace" in parameters.names:
            params["namespace"] = "room" if operation.name.startswith("feed.") else "feed"
        else:
            return
        with pytest.raises(CommandRefused) as refused:
            await house.call(caller("owner"), operation.name, **params)
        assert refused.value.error.code in (102, 103, 404)

"""A table of operations of a test's own, for what is made of any such table."""

from typing import Annotated

import msgspec

from realtime.chat.caller import Caller
from realtime.chat.operations import DONE, Done, Operation, Perform, Written
from realtime.chat.refusals import locked, not_found

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class PutParams(msgspec.Struct, forbid_unknown_fields=True):
    """Put something somewhere."""

    channel: Name
    client_id: Name
    data: msgspec.Raw
    count: Annotated[int, msgspec.Meta(ge=0)] = 0
    mentions: list[Name] = []


class ListParams(msgspec.Struct, forbid_unknown_fields=True):
    """Read a few."""

    channel: Name
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    ids: list[Name] = []
    events: bool = False


class ListResult(msgspec.Struct, omit_defaults=True):
    """What was asked for."""

    limit: int
    ids: list[str]
    events: bool = False


PUT = Operation(
    "test.put",
    "POST",
    "/channels/{channel}/things",
    PutParams,
    Written,
    "writer",
    "sends",
    "Put a thing.",
    (404, 423),
)
LIST = Operation(
    "test.list",
    "GET",
    "/channels/{channel}/things",
    ListParams,
    ListResult,
    "member",
    "reads",
    "Read things.",
)
DROP = Operation(
    "test.drop",
    "DELETE",
    "/channels/{channel}",
    ListParams,
    Done,
    "owner",
    "edits",
    "Drop all.",
    (404,),
)
OPERATIONS = (PUT, LIST, DROP)


class Things:
    """Performs them, and keeps what it was given."""

    def __init__(self) -> None:
        self.put_with: list[tuple[str, bytes, str]] = []

    @property
    def operations(self) -> dict[str, Perform]:
        """Who performs what."""
        return {"test.put": self.put, "test.list": self.list, "test.drop": self.drop}

    async def put(self, caller: Caller, params: PutParams) -> Written:
        """Put."""
        if params.channel == "slow":
            raise locked("slow_mode", retry_after_s=2.5)
        self.put_with.append((caller.user, bytes(params.data), params.client_id))
        return Written(len(self.put_with))

    async def list(self, caller: Caller, params: ListParams) -> ListResult:
        """Answer what was asked."""
        return ListResult(params.limit, params.ids, params.events)

    async def drop(self, caller: Caller, params: ListParams) -> Done:
        """Refuse what is not there."""
        if params.channel == "none":
            raise not_found("channel")
        return DONE

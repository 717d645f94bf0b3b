"""The table of operations: both faces, the OpenAPI document and the permission tests come from it.

Each subject lists its operations beside their types in `realtime.chat.calls`; `ALL` has them all.
Which object performs an operation is for `realtime.chat.service` to say.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal

import msgspec

from realtime.chat.caller import Caller

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

Who = Literal["user", "member", "writer", "moderator", "owner", "sender", "self", "admin"]
"""Whom an operation is for, at least: any signed-in user, a member of the channel, one who may
write, a moderator, the owner, who sent the message, the user it is about, an admin. Moderators may
what members may, and so on; an admin may everything."""

Spent = Literal["sends", "edits", "typing", "creates", "invites", "reads"]
"""Which of a user's rates a call is counted against (`[chat]` in the settings)."""

Perform = Callable[[Caller, Any], Awaitable[msgspec.Struct]]


class Operation(msgspec.Struct, frozen=True):
    """One operation.

    `name` is the RPC method, and the operationId. `params` and `result` are structs; over HTTP the
    parameters come from the path (`{channel}`), and then from the query (GET, DELETE) or the JSON
    body. `client_id` of the parameters, where they have one, is also `Idempotency-Key`. `who` is
    the least that is needed, `errors` the codes beside 100, 101, 103, 107, 111 and 422 that every
    operation may answer. `summary` is a line, `description` may be several.
    `streams`: it answers lines of JSON, as many as there are, and over HTTP only; who performs it
    answers an iterator of them, and `result` describes a line.
    """

    name: str
    method: Method
    path: str
    params: type[msgspec.Struct]
    result: type[msgspec.Struct]
    who: Who
    spends: Spent
    summary: str
    errors: tuple[int, ...] = ()
    description: str = ""
    status: int = 200
    streams: bool = False


class Done(msgspec.Struct, frozen=True):
    """It is done. Nothing more to say."""


DONE: Final = Done()


class Written(msgspec.Struct, frozen=True, omit_defaults=True):
    """An entry is stored at `offset`, made `at` (ms); `n` entries count up to it (unread).

    `duplicate`: it was stored before, by an earlier try of this.
    """

    offset: int
    duplicate: bool = False
    at: int = 0
    n: int = 0

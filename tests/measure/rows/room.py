"""Chat rooms as large as those of the rows: made by the server API, a member a connection."""

import json
import urllib.request
from pathlib import Path
from typing import Any, Final

from tests.measure.rows.workloads import Workload
from tests.support.configuration import API_KEY
from tests.support.processes import HubProcess
from tests.support.tokens import connection_token

ROOM_SETTINGS: Final[dict[str, Any]] = {
    "history_size": -1,
    "chat": "room",
    "create": ["user"],
    "subscribe": ["member"],
    "publish": ["member"],
}
CALL_MAX_S: Final = 10.0


def member(number: int) -> str:
    """The user of a connection."""
    return f"u{number}"


def members(room: int, workload: Workload) -> list[str]:
    """Who is in a room: the connections that `wsload` puts in its group."""
    return [member(number) for number in range(room, workload.connections, workload.rooms)]


def made_rooms(process: HubProcess, workload: Workload) -> None:
    """Make them all, named `r0`, `r1` …; the first member of each is who makes it."""
    for room in range(workload.rooms):
        first, *others = members(room, workload)
        params = {
            "namespace": "room",
            "client_id": f"room {room}",
            "id": f"r{room}",
            "members": [{"user": user} for user in others],
        }
        call = {"user": first, "method": "chat.create", "params": params}
        request = urllib.request.Request(  # noqa: S310 - a hub of our own
            f"{process.api_url}/rpc", json.dumps(call).encode(), {"X-API-Key": API_KEY}
        )
        with urllib.request.urlopen(request, timeout=CALL_MAX_S) as response:  # noqa: S310
            answer = json.load(response)
        assert "result" in answer, answer


def tokens_of_members(folder: Path, workload: Workload) -> Path:
    """A file of tokens, one a line: the n-th is of the n-th connection's user."""
    path = folder / "tokens"
    tokens = (connection_token(member(number)) for number in range(workload.connections))
    path.write_text("\n".join(tokens) + "\n")
    return path

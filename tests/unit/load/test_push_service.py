"""The push service of a load, as a hub's FCM client meets it."""

import json
import stat
import time
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest

from load.__main__ import main
from load.push_ledger import Notification
from load.push_service import GRANT_TYPE, SCOPE, PushService, read_notification
from load.push_settings import PROJECT, push_settings

Account = dict[str, str]
MESSAGE = {"token": "load:ab:7", "notification": {"title": "Alice", "body": "hello"}}


class Fcm:
    """A client of it. `came` has what it was told of."""

    def __init__(self, http: aiohttp.ClientSession, came: list[Notification], url: str) -> None:
        self.http = http
        self.came = came
        self.url = url

    async def token(self, account: Account, **changed: str) -> tuple[int, dict[str, Any]]:
        """Exchange an assertion, signed with the key of the account."""
        now = int(time.time())
        claims = {"iss": account["client_email"], "scope": SCOPE, "iat": now, "exp": now + 60}
        assertion = jwt.encode(claims, account["private_key"], algorithm="RS256")
        form = {"grant_type": GRANT_TYPE, "assertion": assertion, **changed}
        async with self.http.post(f"{self.url}/token", data=form) as response:
            return response.status, await response.json()

    async def send(self, token: str, message: Any, path: str = "") -> tuple[int, dict[str, Any]]:
        """Send a message."""
        url = f"{self.url}{path or f'/v1/projects/{PROJECT}/messages:send'}"
        headers = {"Authorization": f"Bearer {token}"}
        async with self.http.post(url, json={"message": message}, headers=headers) as response:
            return response.status, await response.json()


@pytest.fixture
async def fcm() -> AsyncIterator[Fcm]:
    """On a free port."""
    came: list[Notification] = []
    service = PushService(lambda notification, at_ns: came.append(notification))
    await service.open("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession() as http:
            yield Fcm(http, came, f"http://127.0.0.1:{service.port}")
    finally:
        await service.close()
        await service.close()


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Account:
    """A throw-away service account."""
    path = tmp_path_factory.mktemp("account") / "account.json"
    push_settings("127.0.0.1:1", path)
    account: Account = json.loads(path.read_text())
    return account


async def test_a_message_with_an_access_token_is_taken(fcm: Fcm, account: Account) -> None:
    status, given = await fcm.token(account)
    assert (status, given["token_type"]) == (200, "Bearer")
    status, answer = await fcm.send(given["access_token"], MESSAGE)
    assert status == 200
    assert answer["name"].startswith(f"projects/{PROJECT}/messages/")
    assert fcm.came == [Notification("load:ab:7", "hello")]


async def test_without_a_token_of_its_own_nothing_is_taken(fcm: Fcm) -> None:
    status, answer = await fcm.send("of another", MESSAGE)
    assert (status, answer["error"]["status"]) == (401, "UNAUTHENTICATED")
    assert fcm.came == []


@pytest.mark.parametrize(
    "changed", [{"grant_type": "password"}, {"assertion": "a.b.c"}, {"assertion": ""}]
)
async def test_what_is_no_assertion_gets_no_token(
    fcm: Fcm, account: Account, changed: dict[str, str]
) -> None:
    status, answer = await fcm.token(account, **changed)
    assert status == 400
    assert answer["error"] in {"unsupported_grant_type", "invalid_grant"}


@pytest.mark.parametrize("message", [None, [], {}, {"topic": "news"}, "text"])
async def test_what_is_no_message_to_a_device_is_refused(
    fcm: Fcm, account: Account, message: Any
) -> None:
    _, given = await fcm.token(account)
    status, answer = await fcm.send(given["access_token"], message)
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert fcm.came == []


async def test_other_paths_are_not_found(fcm: Fcm, account: Account) -> None:
    _, given = await fcm.token(account)
    assert (await fcm.send(given["access_token"], MESSAGE, "/v1/messages:send"))[0] == 404
    async with fcm.http.get(f"{fcm.url}/token") as response:
        assert response.status == 404


def test_a_clear_is_told_from_what_is_shown() -> None:
    def read(**message: Any) -> Notification | None:
        return read_notification(json.dumps({"message": {"fid": "x", **message}}).encode())

    assert read(data={"act": "clear"}) == Notification("x", "", clears=True)
    assert read(data={"act": "show"}) == Notification("x", "")
    assert read_notification(b"{") is None


def test_a_command_prints_the_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "account.json"
    assert main(["push-settings", "--service", "[::1]:9", "--account", str(path)]) == 0
    assert tomllib.loads(capsys.readouterr().out)["fcm"]["base_url"] == "http://[::1]:9"
    assert path.exists()
    assert main(["push-settings", "--account", str(tmp_path)]) == 2


def test_settings_are_toml_and_the_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / 'a "quoted" name.json'
    told = tomllib.loads(push_settings("10.0.0.1:9710", path))
    assert told["fcm"] == {
        "credentials_file": str(path),
        "base_url": "http://10.0.0.1:9710",
        "token_url": "http://10.0.0.1:9710/token",
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = json.loads(path.read_text())["private_key"]
    push_settings("10.0.0.1:9710", path)
    assert json.loads(path.read_text())["private_key"] != key

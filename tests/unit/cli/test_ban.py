"""`realtime ban` and `realtime unban`."""

import time

import pytest

from realtime.cli import main
from tests.unit.cli.answering_hub import Hub

Output = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("argv", "body"),
    [
        (["bob"], {"user": "bob"}),
        (["bob", "--channel", "chat:1"], {"user": "bob", "channel": "chat:1"}),
    ],
)
@pytest.mark.parametrize("command", ["ban", "unban"])
def test_a_user_is_banned_from_the_hub_or_a_channel(
    command: str, argv: list[str], body: object, hub: Hub, api_key: str, capsys: Output
) -> None:
    assert main([command, *argv]) == 0
    assert hub.asked == [(f"/api/{command}", api_key, body)]
    assert capsys.readouterr() == (f"{command}ned\n", "")


def test_a_ban_may_have_an_end(hub: Hub) -> None:
    began = int(time.time())
    assert main(["ban", "bob", "--for", "7d"]) == 0
    ((_, _, body),) = hub.asked
    assert isinstance(body, dict)
    assert 0 <= body.pop("expire_at") - began - 7 * 24 * 3600 <= 10
    assert body == {"user": "bob"}


@pytest.mark.parametrize("duration", ["", "1", "0s", "999ms", "-1s", "1 h"])
def test_how_long_is_a_duration_of_a_second_at_least(
    duration: str, hub: Hub, capsys: Output
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["ban", "bob", "--for", duration])
    assert stopped.value.code == 2
    assert not hub.asked


@pytest.mark.parametrize("command", ["ban", "unban"])
def test_a_refusal_is_told(command: str, hub: Hub, capsys: Output) -> None:
    hub.answer = b'{"error":{"code":102,"message":"unknown channel"}}'
    assert main([command, "bob", "--channel", "nope:1"]) == 1
    assert capsys.readouterr().err == (
        f"realtime: not {command}ned: error 102: 'unknown channel'\n"
    )

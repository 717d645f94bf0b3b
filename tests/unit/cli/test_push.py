"""`realtime push`: explain, and dead letters."""

import json
from typing import Any

import pytest

from realtime.cli import main
from tests.unit.cli.answering_hub import Hub

Output = pytest.CaptureFixture[str]

AT = 1_700_000_000_000
WHEN = "2023-11-14 22:13:20+00:00"


def result(**data: Any) -> bytes:
    """What the server API answers to `rpc`."""
    return json.dumps({"result": {"data": data}}).encode()


def letter(place: str, **fields: Any) -> dict[str, Any]:
    """A dead letter."""
    at = {"user": "bob", "channel": "room:a", "offset": 7, "at": AT, "why": "BadTopic"}
    return {"place": place, **at, "provider": "apns", "device": "phone", **fields}


def calls(hub: Hub) -> list[tuple[str, Any]]:
    """The operations that were called."""
    assert {path for path, _, _ in hub.asked} <= {"/api/rpc"}
    bodies: list[Any] = [body for _, _, body in hub.asked]
    assert {body["user"] for body in bodies} <= {"realtime"}
    return [(body["method"], body["params"]) for body in bodies]


def test_why_somebody_was_told_or_was_not_is_said_device_by_device(
    hub: Hub, api_key: str, capsys: Output
) -> None:
    devices = [
        {"device": "phone", "reason": "sent", "sentence": "Taken.", "at": AT, "tries": 2},
        {"device": "pad", "reason": "refused", "sentence": "Not taken (BadTopic).", "at": AT},
    ]
    hub.answer = result(reason="sent", sentence="Taken.", at=AT, devices=devices)
    assert main(["push", "explain", "bob", "room:a", "4711"]) == 0
    assert hub.asked[0][1] == api_key
    params = {"user": "bob", "channel": "room:a", "offset": 4711}
    assert calls(hub) == [("push.explain", params)]
    assert capsys.readouterr() == (
        "sent: Taken.\n"
        f"decided at {WHEN}\n"
        f"phone: sent: Taken. [{WHEN}, tries: 2]\n"
        f"pad: refused: Not taken (BadTopic). [{WHEN}]\n",
        "",
    )


def test_what_is_not_decided_has_no_time(hub: Hub, capsys: Output) -> None:
    hub.answer = result(reason="unknown", sentence="This is not known any more.")
    assert main(["push", "explain", "bob", "room:a", "1"]) == 0
    assert capsys.readouterr().out == "unknown: This is not known any more.\n"


def test_programs_get_json(hub: Hub, capsys: Output) -> None:
    hub.answer = result(reason="read", sentence="Read.", devices=[])
    assert main(["push", "explain", "bob", "room:a", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"reason": "read", "sentence": "Read.", "devices": []}
    hub.answers = [result(dead=[letter("a"), letter("b")])]
    assert main(["push", "dead", "list", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["place"] for line in lines] == ["a", "b"]
    hub.answer = result(count=2, more=False)
    assert main(["push", "dead", "purge", "a", "b", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"count": 2}


def test_dead_letters_are_listed_page_by_page(hub: Hub, capsys: Output) -> None:
    hub.answers = [
        result(dead=[letter("a")], cursor="a"),
        result(dead=[letter("b", device="", provider="")]),
    ]
    assert main(["push", "dead", "list", "--user", "bob"]) == 0
    assert [(name, params["cursor"], params["user"]) for name, params in calls(hub)] == [
        ("push.dead", "", "bob"),
        ("push.dead", "a", "bob"),
    ]
    assert capsys.readouterr().out == (
        f"a bob room:a 7 [{WHEN}] apns phone: BadTopic\nb bob room:a 7 [{WHEN}] : BadTopic\n"
    )


@pytest.mark.parametrize(("limit", "more"), [("1", True), ("2", True), ("3", False), ("9", False)])
def test_as_many_are_listed_as_are_asked_for_and_it_is_said_where_there_are_more(
    hub: Hub, limit: str, more: bool, capsys: Output
) -> None:
    hub.answers = [result(dead=[letter("a"), letter("b")], cursor="b"), result(dead=[letter("c")])]
    assert main(["push", "dead", "list", "--limit", limit]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == min(int(limit), 3)
    assert err == ("realtime: there are more; --limit\n" if more else "")


def test_also_where_they_are_on_the_page_that_was_the_last(hub: Hub, capsys: Output) -> None:
    hub.answers = [result(dead=[letter("a"), letter("b")])]
    assert main(["push", "dead", "list", "--limit", "1"]) == 0
    assert capsys.readouterr().err == "realtime: there are more; --limit\n"


@pytest.mark.parametrize(("verb", "done"), [("replay", "replayed"), ("purge", "purged")])
def test_letters_are_replayed_or_purged_by_their_ids(
    hub: Hub, verb: str, done: str, capsys: Output
) -> None:
    hub.answer = result(count=1, more=False)
    assert main(["push", "dead", verb, "a", "b"]) == 0
    assert calls(hub) == [(f"push.{verb}", {"places": ["a", "b"]})]
    assert capsys.readouterr().out == f"{done} 1\n"


@pytest.mark.parametrize("which", [["--all"], ["--user", "bob"]])
def test_or_all_that_are_there_page_by_page(hub: Hub, which: list[str], capsys: Output) -> None:
    hub.answers = [
        result(dead=[letter("a"), letter("b")], cursor="b"),
        result(count=2, more=False),
        result(dead=[letter("c")]),
        result(count=1, more=False),
    ]
    assert main(["push", "dead", "replay", *which]) == 0
    assert [name for name, _ in calls(hub)] == ["push.dead", "push.replay"] * 2
    assert [params.get("places") for _, params in calls(hub)] == [None, ["a", "b"], None, ["c"]]
    assert calls(hub)[0][1]["user"] == "".join(which[1:])
    assert capsys.readouterr().out == "replayed 3\n"


def test_where_there_are_none_none_are_replayed(hub: Hub, capsys: Output) -> None:
    hub.answer = result(dead=[])
    assert main(["push", "dead", "purge", "--all"]) == 0
    assert [name for name, _ in calls(hub)] == ["push.dead"]
    assert capsys.readouterr().out == "purged 0\n"


@pytest.mark.parametrize("which", [[], ["a", "--all"], ["--all", "--user", "b"]])
def test_who_does_not_say_which_changes_nothing(hub: Hub, which: list[str], capsys: Output) -> None:
    assert main(["push", "dead", "purge", *which]) == 2
    assert not hub.asked
    assert "expected the IDs of letters, or --user, or --all" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "done"),
    [
        (["explain", "bob", "room:a", "1"], "explained"),
        (["dead", "list"], "listed"),
        (["dead", "replay", "a"], "replayed"),
        (["dead", "purge", "--all"], "purged"),
    ],
)
def test_a_refusal_ends_with_1(hub: Hub, argv: list[str], done: str, capsys: Output) -> None:
    hub.answer = b'{"error":{"code":104,"message":"method not found"}}'
    assert main(["push", *argv]) == 1
    assert capsys.readouterr() == ("", f"realtime: not {done}: error 104: 'method not found'\n")
    hub.answer = b'{"result":{}}'
    assert main(["push", *argv]) == 1
    assert capsys.readouterr().err == f"realtime: not {done}: answered without a result\n"


def test_what_was_done_before_a_refusal_is_said(hub: Hub, capsys: Output) -> None:
    hub.answers = [result(dead=[letter("a")], cursor="a"), result(count=1, more=False)]
    hub.answer = b'{"error":{"code":100,"message":"internal server error"}}'
    assert main(["push", "dead", "replay", "--all"]) == 1
    assert "replayed 1, and then no more" in capsys.readouterr().err


def test_no_name_moves_the_cursor_of_a_terminal(hub: Hub, capsys: Output) -> None:
    hub.answer = result(dead=[letter("a", why="\x1b[2Jgone\r\n", user="b\u202eob")])
    assert main(["push", "dead", "list"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert not {"\x1b", "\r", "\u202e"} & set(out)


@pytest.mark.parametrize("offset", ["0", "-1", "x", "1.5", "²", str(2**53)])
def test_an_offset_is_a_number_from_1_on(hub: Hub, offset: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["push", "explain", "bob", "room:a", offset])
    assert stopped.value.code == 2
    assert not hub.asked


def test_without_a_key_nothing_is_asked(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.delenv("REALTIME_API__KEYS")
    assert main(["push", "dead", "list"]) == 2
    assert "api.keys: not set" in capsys.readouterr().err
    assert not hub.asked

"""The server API's requests and results (protocol 5.1 and 5.2) as JSON."""

import json

import msgspec
import pytest

from realtime.protocol import calls
from realtime.protocol.calls import (
    Answer,
    BanCall,
    BroadcastAnswer,
    BroadcastCall,
    BroadcastError,
    BroadcastPart,
    Call,
    ChannelAnswer,
    ChannelsAnswer,
    ChannelsCall,
    DisconnectCall,
    DisconnectCode,
    HistoryCall,
    HistoryRemoveCall,
    InfoAnswer,
    InfoCall,
    NodeAnswer,
    OverrideCall,
    PresenceCall,
    PresenceStatsCall,
    PublishAnswer,
    PublishCall,
    RefreshCall,
    RevokeCall,
    RpcAnswer,
    RpcCall,
    SubscribeCall,
    Switch,
    UnbanCall,
    UnsubscribeCall,
)
from realtime.protocol.commands import Since

RAW = msgspec.Raw

FULL: list[tuple[str, Call]] = [
    (
        '{"channel":"a","data":{"x": 1},"b64data":"eA==","skip_history":true,"tags":{"k":"v"},'
        '"idempotency_key":"i","delta":true,"version":7,"version_epoch":"e"}',
        PublishCall(RAW(b'{"x": 1}'), "eA==", True, {"k": "v"}, "i", True, 7, "e", channel="a"),
    ),
    (
        '{"channels":["a","b"],"data":1}',
        BroadcastCall(RAW(b"1"), channels=["a", "b"]),
    ),
    (
        '{"user":"u","channel":"a","info":{},"b64info":"e30=","client":"c","session":"s",'
        '"data":1,"b64data":"MQ==","recover_since":{"offset":5,"epoch":"e"},"expire_at":9,'
        '"override":{"presence":{"value":true},"join_leave":{"value":false},'
        '"force_recovery":{},"force_positioning":{"value":true},'
        '"force_push_join_leave":{"value":true}}}',
        SubscribeCall(
            "u",
            "a",
            RAW(b"{}"),
            "e30=",
            "c",
            "s",
            RAW(b"1"),
            "MQ==",
            Since(5, "e"),
            9,
            OverrideCall(Switch(True), Switch(False), Switch(), Switch(True), Switch(True)),
        ),
    ),
    (
        '{"user":"u","channel":"a","client":"c","session":"s"}',
        UnsubscribeCall("u", "a", "c", "s"),
    ),
    (
        '{"user":"u","client":"c","session":"s","whitelist":["d"],'
        '"disconnect":{"code":4000,"reason":"r"}}',
        DisconnectCall("u", "c", "s", ["d"], DisconnectCode(4000, "r")),
    ),
    (
        '{"user":"u","client":"c","session":"s","expired":true,"expire_at":9,"info":[1]}',
        RefreshCall("u", "c", "s", True, 9, RAW(b"[1]")),
    ),
    ('{"channel":"a"}', PresenceCall("a")),
    ('{"channel":"a"}', PresenceStatsCall("a")),
    (
        '{"channel":"a","limit":-1,"since":{"offset":5,"epoch":"e"},"reverse":true}',
        HistoryCall("a", -1, Since(5, "e"), True),
    ),
    ('{"channel":"a"}', HistoryRemoveCall("a")),
    ('{"pattern":"a*"}', ChannelsCall("a*")),
    ("{}", InfoCall()),
    (
        '{"method":"chat.sync","params":{"since":""},"user":"u"}',
        RpcCall("chat.sync", RAW(b'{"since":""}'), "u"),
    ),
    ('{"user":"u","jti":"j","expire_at":9}', RevokeCall("u", "j", 9)),
    ('{"user":"u","channel":"a","expire_at":9}', BanCall("u", "a", 9)),
    ('{"user":"u","channel":"a"}', UnbanCall("u", "a")),
]


@pytest.mark.parametrize(("text", "call"), FULL, ids=[call.method for _, call in FULL])
def test_every_field_of_every_call_is_read(text: str, call: Call) -> None:
    assert msgspec.json.decode(text, type=type(call)) == call


@pytest.mark.parametrize("call", [call for _, call in FULL], ids=[call.method for _, call in FULL])
def test_fields_that_are_left_out_are_zero_and_unknown_ones_ignored(call: Call) -> None:
    kind = type(call)
    assert msgspec.json.decode('{"unknown":[1]}', type=kind) == kind()


def test_every_call_has_a_method_of_its_own() -> None:
    kinds = {
        kind
        for kind in vars(calls).values()
        if isinstance(kind, type) and issubclass(kind, Call) and kind.method
    }
    assert {type(call) for _, call in FULL} == kinds
    assert {kind.method for kind in kinds} == {
        "publish",
        "broadcast",
        "subscribe",
        "unsubscribe",
        "disconnect",
        "refresh",
        "presence",
        "presence_stats",
        "history",
        "history_remove",
        "channels",
        "info",
        "rpc",
        "revoke",
        "ban",
        "unban",
    }


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (PublishCall, '{"channel":1}'),
        (PublishCall, '{"tags":{"k":1}}'),
        (PublishCall, '{"version":-1}'),
        (BroadcastCall, '{"channels":"a"}'),
        (SubscribeCall, '{"override":{"presence":true}}'),
        (SubscribeCall, '{"expire_at":9223372036854775808}'),
        (SubscribeCall, '{"expire_at":1.5}'),
        (HistoryCall, '{"limit":2147483648}'),
        (HistoryCall, '{"since":{"offset":-1}}'),
        (DisconnectCall, '{"disconnect":{"code":"3000"}}'),
        (DisconnectCall, '{"whitelist":[1]}'),
        (InfoCall, "[]"),
    ],
)
def test_a_value_of_another_type_is_refused(kind: type[Call], text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=kind)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (Answer(), "{}"),
        (PublishAnswer(), "{}"),
        (PublishAnswer(3, "e"), '{"offset":3,"epoch":"e"}'),
        (BroadcastAnswer([]), '{"responses":[]}'),
        (
            BroadcastAnswer(
                [
                    BroadcastPart(PublishAnswer(3, "e")),
                    BroadcastPart(PublishAnswer()),
                    BroadcastPart(error=BroadcastError(102, "unknown channel")),
                ]
            ),
            '{"responses":[{"result":{"offset":3,"epoch":"e"}},{"result":{}},'
            '{"error":{"code":102,"message":"unknown channel"}}]}',
        ),
        (RpcAnswer(RAW(b'{"n":0}')), '{"data":{"n":0}}'),
        (ChannelsAnswer({}), '{"channels":{}}'),
        (ChannelsAnswer({"a": ChannelAnswer(0)}), '{"channels":{"a":{"num_clients":0}}}'),
        (
            InfoAnswer([NodeAnswer("", "", "", 0, 0, 0, 0)]),
            '{"nodes":[{"uid":"","name":"","version":"","num_clients":0,"num_users":0,'
            '"num_channels":0,"num_subs":0}]}',
        ),
        (
            InfoAnswer([NodeAnswer("n", "h", "1", 1, 2, 3, 4, 5)]),
            '{"nodes":[{"uid":"n","name":"h","version":"1","num_clients":1,"num_users":2,'
            '"num_channels":3,"num_subs":4,"uptime":5}]}',
        ),
    ],
)
def test_an_answer_has_what_is_always_written_and_nothing_else_that_is_zero(
    answer: Answer, text: str
) -> None:
    assert json.loads(msgspec.json.encode(answer)) == json.loads(text)


@pytest.mark.parametrize("call", [call for _, call in FULL], ids=[call.method for _, call in FULL])
def test_a_call_can_be_passed_on_with_nothing_but_what_it_says(call: Call) -> None:
    """As a node does that tells another: empty raw values would be no JSON."""
    for told in (call, type(call)()):
        assert msgspec.json.decode(msgspec.json.encode(told), type=type(call)) == told
    assert msgspec.json.encode(type(call)()) == b"{}"

"""What many are told is kept: it says all that the reply does, whoever was answered before."""

from itertools import product

import msgspec
import pytest

from realtime.protocol.protobuf import ProtobufCodec
from realtime.protocol.protobuf import wire_pb2 as wire
from realtime.protocol.replies import ConnectResult, Result, SubscribeResult

CODEC = ProtobufCodec()

CONNECTS = [
    ConnectResult(client, "1", expires=expires, ttl=ttl, ping=ping, pong=pong, session=s, node=n)
    for client, expires, ttl, ping, pong, (s, n) in product(
        ("c1", "c2"),
        (False, True),
        (0, 300),
        (0, 25),
        (False, True),
        (("", ""), ("s.x", "n"), ("s.x", "")),
    )
]
SUBSCRIBES = [
    SubscribeResult(
        expires=flags[0],
        ttl=ttl,
        recoverable=flags[1],
        epoch=epoch,
        recovered=flags[2],
        offset=offset,
        positioned=flags[3],
        was_recovering=flags[4],
    )
    for flags in product((False, True), repeat=5)
    for ttl, epoch, offset in ((0, "", 0), (60, "e", 7), (0, "f", 2**40))
]


@pytest.mark.parametrize("results", [CONNECTS, SUBSCRIBES], ids=["connect", "subscribe"])
def test_every_field_arrives(results: list[Result]) -> None:
    for id, result in enumerate([*results, *reversed(results)], 1):
        document = CODEC.reply(id, result)
        reply = wire.Reply.FromString(document[2 if document[0] > 127 else 1 :])
        assert reply.id == id
        told = getattr(reply, result.method)
        for name in msgspec.structs.asdict(result):
            if name not in ("data", "subs", "publications"):  # which no plain reply has
                assert getattr(told, name) == getattr(result, name), name

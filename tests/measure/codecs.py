"""What a codec costs a publish and a connect, in both formats: `python -m <this module>`.

Nanoseconds, the least of several rounds; a machine that does other work shows in all of them.
"""

import argparse
import sys
import timeit
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from realtime.model import ClientInfo, Entry
from realtime.protocol.codec import Codec
from realtime.protocol.commands import PublishRequest
from realtime.protocol.json_codec import compact, read_payload
from realtime.protocol.replies import ConnectResult, PublishResult, SubscribeResult
from realtime.server.wires import JSON_WEBSOCKET, PROTOBUF_WEBSOCKET
from realtime.websocket import FrameReader
from tests.support.protobuf_documents import frame
from tests.support.tokens import connection_token
from tests.unit.websocket.client_frames import BINARY, TEXT, client_frame

ROUNDS: Final = 7
CALLS: Final = 20_000

PAYLOAD: Final = b'{"text":"see you at eight?","at":1764187200}'
INFO: Final = ClientInfo("alice", "0123456789abcdef0123456789abcdef0123")
LONG: Final = b'{"text":"%b"}' % (b"see you at eight? " * 30)
TOKEN: Final = connection_token("alice")

Job = Callable[[], object]


def publish_jobs(payload: bytes, number: int) -> Iterator[tuple[str, Job, Job]]:
    """The steps of a publish with that payload and number: a name, then JSON and Protobuf."""
    text = b'{"id":%d,"publish":{"channel":"chat:room","data":%b}}' % (number, payload)
    said = frame(number, publish={"channel": "chat:room", "data": payload})
    json, protobuf = JSON_WEBSOCKET, PROTOBUF_WEBSOCKET
    text_reader = FrameReader(65_536)
    binary_reader = FrameReader(65_536, is_binary=True)
    text_frame, binary_frame = client_frame(TEXT, text), client_frame(BINARY, said)
    yield (
        "read the frame",
        lambda: text_reader.feed(text_frame),
        lambda: binary_reader.feed(binary_frame),
    )
    yield "decode", lambda: json.codec.decode(text), lambda: protobuf.codec.decode(said)
    from_text, from_binary = _data(json.codec, text), _data(protobuf.codec, said)
    yield (
        "check the payload",
        lambda: compact(bytes(from_text)),
        lambda: read_payload(bytes(from_binary)),
    )
    result = PublishResult()
    yield (
        "reply",
        lambda: json.frame(json.codec.reply(number, result)),
        lambda: protobuf.frame(protobuf.codec.reply(number, result)),
    )
    for offset in (0, number):
        entry = Entry("chat:room", offset, payload, 0, info=INFO)
        yield (
            "publication with an offset" if offset else "publication",
            lambda entry=entry: json.frame(json.codec.publication(entry)),  # type: ignore[misc]
            lambda entry=entry: protobuf.frame(protobuf.codec.publication(entry)),  # type: ignore[misc]
        )


def connect_jobs() -> Iterator[tuple[str, Job, Job]]:
    """The steps of a connect and a subscribe."""
    json, protobuf = JSON_WEBSOCKET.codec, PROTOBUF_WEBSOCKET.codec
    text = b'{"id":1,"connect":{"token":"%b","name":"js"}}' % TOKEN.encode()
    said = frame(1, connect={"token": TOKEN, "name": "js"})
    yield "decode a connect", lambda: json.decode(text), lambda: protobuf.decode(said)
    asked_text = b'{"id":2,"subscribe":{"channel":"chat:room","flag":1}}'
    asked = frame(2, subscribe={"channel": "chat:room", "flag": 1})
    yield "decode a subscribe", lambda: json.decode(asked_text), lambda: protobuf.decode(asked)
    connected = ConnectResult(INFO.client, "0.1.0", True, 3600, ping=25, pong=True)
    subscribed = SubscribeResult(recoverable=True, epoch="abcdefgh", offset=7, positioned=True)
    for name, result in (("reply to a connect", connected), ("reply to a subscribe", subscribed)):
        yield (
            name,
            lambda result=result: json.reply(1, result),  # type: ignore[misc]
            lambda result=result: protobuf.reply(1, result),  # type: ignore[misc]
        )


def _data(codec: Codec, said: bytes) -> msgspec.Raw:
    request = codec.decode(said)[0].request
    assert isinstance(request, PublishRequest)
    return request.data


def nanoseconds(job: Job) -> float:
    """What one call takes, at the least."""
    return min(timeit.repeat(job, number=CALLS, repeat=ROUNDS)) / CALLS * 1e9


def table() -> Iterator[str]:
    """The lines, each as soon as it is measured."""
    yield f"{'':28} {'json':>7} {'protobuf':>9}"
    for name, payload, number in (("short", PAYLOAD, 7), ("long", LONG, 70_000)):
        yield f"a {name} publish: {len(payload)} bytes, number {number}"
        for step, *jobs in publish_jobs(payload, number):
            yield _line(step, jobs)
    yield "a connect and a subscribe"
    for step, *jobs in connect_jobs():
        yield _line(step, jobs)


def _line(step: str, jobs: Sequence[Job]) -> str:
    text, binary = map(nanoseconds, jobs)
    return f"  {step:26} {text:7.0f} {binary:9.0f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a line for each step."""
    argparse.ArgumentParser(description=__doc__.split("\n", 1)[0]).parse_args(arguments)
    for line in table():
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What codecs keep of publishers, so that it need not be written for each message."""

import tracemalloc
from typing import Final

import pytest

from realtime.model import ClientInfo, Entry
from realtime.protocol.codec import Codec
from realtime.protocol.json_codec import JsonCodec
from realtime.protocol.protobuf import ProtobufCodec

PUBLISHERS: Final = 2_000
LONG_BYTES: Final = 8_000
KEPT_BYTES_MAX: Final = 4_000_000
"""Of 32 MB that they all would take."""


def entry(number: int, size: int) -> Entry:
    info = b'"%b"' % (b"x" * size)
    return Entry("room", 1, b"{}", 0, info=ClientInfo(f"u{number}", f"c{number}", info, info))


@pytest.mark.parametrize("codec", [JsonCodec(), ProtobufCodec()], ids=["json", "protobuf"])
def test_the_long_infos_of_many_publishers_are_not_kept(codec: Codec) -> None:
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(PUBLISHERS):
            assert b"x" * LONG_BYTES in codec.publication(entry(number, LONG_BYTES))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < KEPT_BYTES_MAX

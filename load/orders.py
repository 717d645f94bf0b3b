"""What a fleet and its processes say to each other: JSON, a line each, over the process's pipes."""

from typing import Any, Final, Literal

import msgspec

from load.measured import Measured, Sample, decode_hook, encode_hook
from load.share import Share

LINE_BYTES_MAX: Final = 256 * 1024 * 1024
"""How long a line may be: a share may hold a file of tokens."""


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """To a process. `stop` ends the step that runs; the end of the pipe ends the process."""

    do: Literal["setup", "phase", "cleanup", "stop"]
    phase: str = ""
    changes: dict[str, Any] = {}
    at_ns: int = 0
    """When the phase begins, on this machine's monotonic clock: in all processes at once."""


class Word(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """From a process: one of these, or none for a sign of life, at least one a second."""

    done: bool = False
    """The step has ended; after a phase `measured` comes with it."""
    sample: Sample | None = None
    measured: Measured | None = None
    failed: str = ""
    """The step has ended with an error, and what it was."""


_ENCODER: Final = msgspec.json.Encoder(enc_hook=encode_hook)
_SHARES: Final = msgspec.json.Decoder(Share)
_ORDERS: Final = msgspec.json.Decoder(Order)
_WORDS: Final = msgspec.json.Decoder(Word, dec_hook=decode_hook)


def line(message: Share | Order | Word) -> bytes:
    """A message as it goes into a pipe, with its line feed."""
    return _ENCODER.encode(message) + b"\n"


def read_share(text: bytes) -> Share:
    """Raises `msgspec.DecodeError`, as the others do."""
    return _SHARES.decode(text)


def read_order(text: bytes) -> Order:
    """See `read_share`."""
    return _ORDERS.decode(text)


def read_word(text: bytes) -> Word:
    """See `read_share`."""
    return _WORDS.decode(text)

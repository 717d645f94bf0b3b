"""A value that may be used but never shown."""

import hmac
from typing import Final

MASK: Final = "***"


class Secret:
    """A text that prints as `***` wherever it is printed; only `reveal()` gives it away.

    Equality takes the same time wherever two secrets of one length first differ, so comparing a
    key that a client sent with one of ours tells nothing but the length.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """Return the text itself. Hand it to what needs it; never to a message or a log."""
        return self.__value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_octets(self.__value), _octets(other.__value))

    def __hash__(self) -> int:
        return hash(self.__value)

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)


def _octets(text: str) -> bytes:
    # A client may send lone surrogates in JSON; they must compare unequal, not raise.
    return text.encode("utf-8", "surrogatepass")

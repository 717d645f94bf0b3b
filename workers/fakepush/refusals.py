"""A service's no."""

from typing import NamedTuple


class Refusal(NamedTuple):
    """The status, and the service's word for why."""

    status: int
    why: str

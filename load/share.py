"""What one process of a fleet is told, and what it has to be able to do (`Player`)."""

import random
from collections.abc import Mapping
from typing import Any, Literal, Protocol

import msgspec

from load.recording import Recorder


class Share(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The part of a run that one process plays. It goes there over a pipe, since it has secrets."""

    player: str
    """`module:Class` of the `Player`."""
    parameters: dict[str, Any]
    urls: tuple[str, ...]
    """Client `i` of the run goes to the `i`-th of these, round and round."""
    format: Literal["json", "protobuf"]
    seed: int
    run: str
    """Short and new for each run: names of its channels and users hold it, and meet no others."""
    index: int
    """Which process this is, from 0."""
    processes: int
    ca_file: str = ""
    """Holds the authorities to believe in place of the system's, for `wss`; "" for the system's."""
    sources: tuple[str, ...] = ()
    """Addresses of this machine that connections come from, in turn; () leaves it to the system."""
    secret: str = ""
    """The HS256 secret that tokens are signed with; "" for none."""
    tokens: tuple[str, ...] = ()
    """Tokens to use instead, in turn."""

    def mine(self, total: int) -> range:
        """Which of `total` things of the run, such as clients, are this process's."""
        return range(self.index, total, self.processes)

    def random(self, purpose: str) -> random.Random:
        """Numbers that follow from the seed, others for each process and purpose."""
        return random.Random(f"{self.seed}:{self.index}:{purpose}")  # noqa: S311  # not for secrets

    def __repr__(self) -> str:
        """Without what is secret."""
        return f"<Share {self.index} of {self.processes} of {self.player}>"


class Unplayable(Exception):
    """What a player raises where the hub or the plan is the reason, and the code is not: its text
    says all, and no traceback is wanted."""


class Player(Protocol):
    """A scenario in one process of the fleet; made with its `Share` within the running loop.

    All processes do each step at the same time, and none begins one before all have ended the one
    before. A phase ends by itself, when its time is over and what was on its way has come or has
    timed out. What is raised ends the run.
    """

    def __init__(self, share: Share) -> None:
        """Nothing is connected yet."""

    async def setup(self) -> None:
        """Open what all phases need."""

    async def phase(self, name: str, changes: Mapping[str, Any], recorder: Recorder) -> None:
        """Play one phase; `changes` are parameters that are other than the share's in it.

        After a warm-up it calls `recorder.restart`. When the run is interrupted it is cancelled:
        what was recorded until then is kept.
        """

    async def cleanup(self) -> None:
        """Take away what the run has put into the hub, and close what is open."""

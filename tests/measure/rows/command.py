"""What the commands that measure in rounds have in common: options, and the line under a table."""

import argparse
import os
import platform
import time
from pathlib import Path
from typing import Final, NamedTuple

BENCH: Final = Path(__file__).resolve().parents[4] / "shared" / "bench"


def positive(text: str) -> int:
    """A number of rounds."""
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return value


def options_parser(name: str, description: str) -> argparse.ArgumentParser:
    """Options `--bench`, `--rounds` and `--scale`; `name` is the module's."""
    parser = argparse.ArgumentParser(prog=f"python -m {name}", description=description)
    parser.add_argument("--bench", type=Path, default=BENCH, help="folder of wsload.c, fanlimit.c")
    parser.add_argument("--rounds", type=positive, default=3)
    parser.add_argument(
        "--scale", type=float, default=1.0, help="share of the load, to try the command out"
    )
    return parser


def machine() -> str:
    """What the figures were measured on: cores, Python (the hub has the same) and kernel."""
    return (
        f"{os.cpu_count()} cores, {platform.python_implementation()} {platform.python_version()}, "
        f"{platform.system()} {platform.release()}"
    )


class Start(NamedTuple):
    """When a run began, on the monotonic clock, and how busy the machine was then."""

    at_s: float
    load: float

    @classmethod
    def now(cls) -> "Start":
        """A run that begins."""
        return cls(time.monotonic(), os.getloadavg()[0])

    def ending(self, rounds: int, scale: float) -> str:
        """What is printed under the table. The machine is in the last line: whoever pastes the
        table pastes what its figures hold for."""
        trial = f"At {scale:g} of the load these figures say nothing.\n" if scale != 1 else ""
        return (
            f"{trial}{rounds} rounds in {time.monotonic() - self.at_s:.0f} s on {machine()}; "
            f"load {self.load:.1f} before and {os.getloadavg()[0]:.1f} after.\n"
        )

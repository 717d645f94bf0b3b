"""The options that say where a command's settings come from."""

import argparse
from collections.abc import Collection
from typing import TypeAlias

from realtime.settings.development import Development, Kept
from realtime.settings.load import Loaded, from_process

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What a command adds its parser to; argparse has no public name for it."""


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add `--config`."""
    parser.add_argument(
        "--config", metavar="FILE", help="settings file; else the one that REALTIME_CONFIG names"
    )


def add_dev(parser: argparse.ArgumentParser, text: str) -> None:
    """Add `--dev`, for commands that are of use beside `realtime serve --dev`."""
    parser.add_argument("--dev", action="store_true", help=text)


def load_settings(arguments: argparse.Namespace, *, needs: Collection[Kept] = ()) -> Loaded:
    """Load what `--config` and `--dev` say. Raises SettingsError.

    `needs` is what the command uses of the secrets that `realtime serve --dev` keeps; no file is
    made.
    """
    development = Development(needs, makes=False) if arguments.dev else None
    return from_process(arguments.config, development=development)

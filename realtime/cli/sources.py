"""The options that say where a command's settings come from."""

import argparse
from typing import TypeAlias

from realtime.settings.development import Development
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


def load_settings(arguments: argparse.Namespace) -> Loaded:
    """Load what `--config`, and `--dev` if the command has it, say. Raises SettingsError."""
    development = Development() if getattr(arguments, "dev", False) else None
    return from_process(arguments.config, development=development)

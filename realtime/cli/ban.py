"""`realtime ban`: keep a user from a channel, or from the hub."""

import argparse
import time

from realtime.cli.asking import add_hub, order
from realtime.cli.sources import Commands
from realtime.settings.durations import Duration

_SECOND_MS = 1_000


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("ban", help="keep a user from a channel, or from the hub")
    parser.add_argument("user", metavar="USER", help="id of the user")
    parser.add_argument("--channel", help="the channel; without it the user may not even connect")
    parser.add_argument(
        "--for",
        dest="duration",
        metavar="TIME",
        type=_duration,
        help='how long, "1h" or "7d"; without it until `realtime unban`',
    )
    add_hub(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask the hub and print what came of it."""
    body: dict[str, object] = {"user": arguments.user}
    if arguments.channel is not None:
        body["channel"] = arguments.channel
    if arguments.duration is not None:
        body["expire_at"] = int(time.time()) + arguments.duration.ms // _SECOND_MS
    return order(arguments, "ban", body, done="banned")


def _duration(text: str) -> Duration:
    try:
        duration = Duration.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if duration.ms < _SECOND_MS:
        raise argparse.ArgumentTypeError("expected at least 1s")
    return duration

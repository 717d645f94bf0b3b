"""`realtime unban`: take back what `realtime ban` did."""

import argparse

from realtime.cli.asking import add_hub, order
from realtime.cli.sources import Commands


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("unban", help="take back a ban from a channel, or from the hub")
    parser.add_argument("user", metavar="USER", help="id of the user")
    parser.add_argument("--channel", help="the channel that the user was banned from, if any")
    add_hub(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask the hub and print what came of it."""
    body = {"user": arguments.user}
    if arguments.channel is not None:
        body["channel"] = arguments.channel
    return order(arguments, "unban", body, done="unbanned")

"""`realtime revoke`: tell a running hub that tokens no longer count."""

import argparse

from realtime.cli.asking import add_hub, order
from realtime.cli.sources import Commands


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("revoke", help="refuse a user's tokens issued before now, or one")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("user", metavar="USER", nargs="?", help="id of the user")
    which.add_argument("--jti", metavar="ID", help="id of one token: its claim `jti`")
    add_hub(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask the hub and print what came of it."""
    body = {"jti": arguments.jti} if arguments.user is None else {"user": arguments.user}
    return order(arguments, "revoke", body, done="revoked")

"""`realtime push`: why somebody was told or was not, and what no provider would take."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from realtime.cli.asking import Asked, Failed, add_hub, asked, perform, told
from realtime.cli.sources import Commands
from realtime.errors import SettingsError

PAGE: Final = 100
"""Dead letters that are asked for, and named, at once."""

LISTED: Final = 1_000
"""Dead letters that `list` prints unless told otherwise."""

_UNKNOWN_TIME: Final = "-"


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("push", help="why users were told or not, and dead letters")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    action = actions.add_parser("explain", help="why a user was told of a message, or was not")
    action.add_argument("user", metavar="USER", help="id of the user")
    action.add_argument("channel", metavar="CHANNEL", help="name of the channel")
    action.add_argument("offset", metavar="OFFSET", type=_positive, help="offset of the message")
    _add_options(action)
    action.set_defaults(run=explain)
    _add_dead(actions)


def _add_dead(actions: Commands) -> None:
    parser = actions.add_parser("dead", help="notifications that a provider will never take")
    verbs = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    verb = verbs.add_parser("list", help="print them, the oldest first")
    verb.add_argument("--user", default="", help="those of this user only")
    verb.add_argument(
        "--limit", type=_positive, default=LISTED, help=f"how many, at most ({LISTED})"
    )
    _add_options(verb)
    verb.set_defaults(run=dead_list)
    for name, help, run in (
        ("replay", "try them again, once what was wrong is mended", replay),
        ("purge", "throw them away", purge),
    ):
        verb = verbs.add_parser(name, help=help)
        verb.add_argument("places", metavar="ID", nargs="*", help="as `list` prints them")
        verb.add_argument("--user", default="", help="all of this user")
        verb.add_argument("--all", action="store_true", help="all that there are")
        _add_options(verb)
        verb.set_defaults(run=run)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    add_hub(parser)


def explain(arguments: argparse.Namespace) -> int:
    """Print why. Raises SettingsError."""
    params = {
        "user": arguments.user,
        "channel": arguments.channel,
        "offset": arguments.offset,
    }
    try:
        why = perform(asked(arguments), "push.explain", params)
    except Failed as failed:
        return told(failed, "explained")
    if arguments.json:
        print(json.dumps(why))
        return 0
    print(f"{_text(why, 'reason')}: {_text(why, 'sentence')}")
    if why.get("at"):
        print(f"decided at {_time(why)}")
    for device in why.get("devices") or ():
        tries = f", tries: {device['tries']}" if device.get("tries") else ""
        said = f"{_text(device, 'reason')}: {_text(device, 'sentence')}"
        print(f"{_text(device, 'device')}: {said} [{_time(device)}{tries}]")
    return 0


def dead_list(arguments: argparse.Namespace) -> int:
    """Print dead letters, one a line. Raises SettingsError."""
    left = arguments.limit
    try:
        for page, has_more in _pages(asked(arguments), arguments.user):
            for letter in page[:left]:
                print(json.dumps(letter) if arguments.json else _line(letter))
            has_more = has_more or len(page) > left
            left -= min(left, len(page))
            if not left and has_more:
                print("realtime: there are more; --limit", file=sys.stderr)
                break
    except Failed as failed:
        return told(failed, "listed")
    return 0


def replay(arguments: argparse.Namespace) -> int:
    """Have dead letters tried again. Raises SettingsError."""
    return _change(arguments, "push.replay", "replayed")


def purge(arguments: argparse.Namespace) -> int:
    """Throw dead letters away. Raises SettingsError."""
    return _change(arguments, "push.purge", "purged")


def _change(arguments: argparse.Namespace, operation: str, done: str) -> int:
    """Do it to those that are named, page by page, and say to how many."""
    if bool(arguments.places) + bool(arguments.user) + arguments.all != 1:
        raise SettingsError(["expected the IDs of letters, or --user, or --all"])
    count = 0
    try:
        hub = asked(arguments)
        for places in _places(hub, arguments):
            count += perform(hub, operation, {"places": places}).get("count", 0)
    except Failed as failed:
        if count:
            print(f"realtime: {done} {count}, and then no more", file=sys.stderr)
        return told(failed, done)
    print(json.dumps({"count": count}) if arguments.json else f"{done} {count}")
    return 0


def _places(hub: Asked, arguments: argparse.Namespace) -> Iterator[Sequence[str]]:
    """Those that are meant. A letter that comes back while it is replayed is not met again."""
    if arguments.places:
        for start in range(0, len(arguments.places), PAGE):
            yield arguments.places[start : start + PAGE]
        return
    for page, _ in _pages(hub, arguments.user):
        if page:
            yield [letter["place"] for letter in page]


def _pages(hub: Asked, user: str) -> Iterator[tuple[Sequence[Mapping[str, Any]], bool]]:
    """Dead letters in pages, each with whether there are more. Raises Failed."""
    cursor = ""
    while True:
        params = {"limit": PAGE, "cursor": cursor, "user": user}
        page = perform(hub, "push.dead", params)
        cursor = page.get("cursor", "")
        yield page.get("dead", ()), bool(cursor)
        if not cursor:
            return


def _line(letter: Mapping[str, Any]) -> str:
    words = [_text(letter, field) for field in ("place", "user", "channel", "offset")]
    where = f"{_text(letter, 'provider')} {_text(letter, 'device')}".strip()
    return f"{' '.join(words)} [{_time(letter)}] {where}: {_text(letter, 'why')}"


def _text(said: Mapping[str, Any], field: str) -> str:
    """A field for a terminal: users choose their names, and providers their words."""
    text = str(said.get(field, ""))
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


def _time(said: Mapping[str, Any]) -> str:
    at = said.get("at")
    if not at:
        return _UNKNOWN_TIME
    return datetime.fromtimestamp(at / 1_000, UTC).isoformat(" ", "seconds")


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 2**53:
        raise argparse.ArgumentTypeError("expected a number from 1 on")
    return int(text)

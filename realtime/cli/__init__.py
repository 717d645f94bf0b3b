"""The command `realtime`: one file a command, and `main`, which picks one.

Exit codes: 0 done, 1 failed, 2 the settings or the command line are wrong, 130 interrupted.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from realtime import __version__
from realtime.cli import (
    ban,
    config,
    fakepush,
    health,
    import_file,
    push,
    revoke,
    serve,
    store,
    token,
    unban,
    worker,
)
from realtime.errors import RealtimeError, SettingsError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Raises SystemExit, as argparse does, for `--help`, `--version` and a wrong command line.
    """
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
    except SettingsError as error:
        return _fail(2, *error.problems)
    except ExceptionGroup as group:
        # What a part of a running process died of, and took the others with it.
        known, defects = group.split(RealtimeError)
        if defects is not None or known is None:
            raise
        return _fail(1, *map(str, _leaves(known)))
    except RealtimeError as error:
        return _fail(1, str(error))
    except OSError as error:
        # A port in use, a file that cannot be written: for the operator, not a defect.
        return _fail(1, str(error))
    except KeyboardInterrupt:
        return 130
    return code


def _fail(code: int, *problems: str) -> int:
    for problem in problems:
        print(f"realtime: {problem}", file=sys.stderr)
    return code


def _leaves(group: BaseExceptionGroup[Exception]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


class _Parser(argparse.ArgumentParser):
    """Takes options by their full names only, in commands too: an abbreviation that scripts use
    could one day mean another option."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="realtime", description="A self-hosted real-time backend.")
    parser.add_argument("--version", action="version", version=f"realtime {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (
        serve,
        worker,
        token,
        revoke,
        ban,
        unban,
        config,
        store,
        import_file,
        push,
        health,
        fakepush,
    ):
        command.add(commands)
    return parser

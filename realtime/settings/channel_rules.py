"""What is wrong with the options of a namespace, or of the channels without one."""

import re
from collections.abc import Iterator

from realtime.settings.contradiction import Contradiction
from realtime.settings.schema import ChannelOptions, Settings


def channel_contradictions(settings: Settings) -> Iterator[Contradiction]:
    """Name all that is wrong in `channels` and `namespaces`."""
    yield from _of_options(("channels",), settings.channels)
    for name, options in settings.namespaces.items():
        yield from _of_options(("namespaces", name), options)


def _of_options(at: tuple[str, ...], options: ChannelOptions) -> Iterator[Contradiction]:
    yield from _without_history(at, options)
    if options.force_push_join_leave and not options.join_leave:
        paths = ((*at, "force_push_join_leave"), (*at, "join_leave"))
        yield Contradiction(paths, "nothing to push without join_leave = true")
    if options.read_presence and not options.presence:
        paths = ((*at, "read_presence"), (*at, "presence"))
        yield Contradiction(paths, "nothing to read without presence = true")
    if "subscriber" in options.subscribe:
        yield Contradiction(
            ((*at, "subscribe"),), "nobody is a subscriber before subscribing; take subscriber out"
        )
    yield from _of_chat(at, options)
    if problem := _regex_problem(options.channel_regex):
        yield Contradiction(((*at, "channel_regex"),), problem)


def _of_chat(at: tuple[str, ...], options: ChannelOptions) -> Iterator[Contradiction]:
    if options.chat:
        if at == ("channels",):
            yield Contradiction(((*at, "chat"),), "chat needs a namespace of its own")
        if options.history_size == 0:
            paths = ((*at, "chat"), (*at, "history_size"))
            yield Contradiction(paths, "needs history; history_size = 0 keeps none")
        if options.data_format == "binary":
            paths = ((*at, "chat"), (*at, "data_format"))
            yield Contradiction(paths, "chat's events are JSON, and so must the messages be")
        return
    if options.create:
        paths = ((*at, "create"), (*at, "chat"))
        yield Contradiction(paths, "nothing can be created where chat is not set")
    for key in ("subscribe", "publish", "read_history", "read_presence"):
        if "member" in getattr(options, key):
            paths = ((*at, key), (*at, "chat"))
            yield Contradiction(paths, "nobody is a member where chat is not set")


def _without_history(at: tuple[str, ...], options: ChannelOptions) -> Iterator[Contradiction]:
    if options.history_size:
        return
    asked = {
        "history_ttl": options.history_ttl_ms > 0,
        "force_recovery": options.force_recovery,
        "force_positioning": options.force_positioning,
        "read_history": bool(options.read_history),
    }
    for key, is_set in asked.items():
        if is_set:
            paths = ((*at, key), (*at, "history_size"))
            yield Contradiction(paths, "needs history; history_size = 0 keeps none")


def _regex_problem(pattern: str) -> str | None:
    try:
        re.compile(pattern)
    except re.error as error:
        where = "" if error.pos is None else f" at character {error.pos + 1}"
        return f"expected a regular expression; {error.msg}{where}"
    except (RecursionError, OverflowError):
        return "expected a regular expression; it is too large"
    return None

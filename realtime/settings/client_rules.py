"""What is wrong with what clients may cost, and how fast they may ask."""

from collections.abc import Iterator
from typing import Final

from realtime.settings.contradiction import Contradiction
from realtime.settings.schema import Settings
from realtime.settings.shape import shown

CHAT_RATES: Final = ("sends", "edits", "typing", "creates", "invites", "reads")
"""What `chat` limits, each by a rate and a burst; the burst of a rate that is 0 says nothing."""

_NO_BURST: Final = "a limit needs a burst of at least 1, or nothing may ever pass"


def client_contradictions(settings: Settings) -> Iterator[Contradiction]:
    """Name all that is wrong in `client`, `limits` and `chat`."""
    client = settings.client
    if client.pong_timeout_s >= client.ping_interval_s:
        paths = (("client", "pong_timeout_s"), ("client", "ping_interval_s"))
        yield Contradiction(paths, "the timeout must be less than the interval")
    for name, interval_s in client.ping_intervals_s.items():
        if client.pong_timeout_s >= interval_s:
            paths = (("client", "ping_intervals_s"), ("client", "pong_timeout_s"))
            text = "the interval must be more than the timeout"
            yield Contradiction(paths, text, f".{shown(name)}")
    if client.outbox_max_bytes < client.message_max_bytes:
        paths = (("client", "outbox_max_bytes"), ("client", "message_max_bytes"))
        yield Contradiction(paths, "the longest message would not fit the outbox")
    for who in ("connection", "user", "address"):
        for what in ("commands", "publishes"):
            yield from _bucket(settings, f"{who}_{what}_per_s", f"{who}_{what}_burst")
    yield from _of_chat(settings)


def _of_chat(settings: Settings) -> Iterator[Contradiction]:
    chat = settings.chat
    for what in CHAT_RATES:
        if getattr(chat, f"{what}_per_s") > 0 and getattr(chat, f"{what}_burst") < 1:
            paths = (("chat", f"{what}_burst"), ("chat", f"{what}_per_s"))
            yield Contradiction(paths, _NO_BURST)
    if chat.hook_url is not None and not chat.hook_url.startswith(("http://", "https://")):
        yield Contradiction((("chat", "hook_url"),), "expected an http:// or https:// address")
    if chat.hook_secret is not None and chat.hook_url is None:
        yield Contradiction((("chat", "hook_secret"), ("chat", "hook_url")), "nothing to sign")


def _bucket(settings: Settings, rate: str, burst: str) -> Iterator[Contradiction]:
    has_rate = getattr(settings.limits, rate) > 0
    size = getattr(settings.limits, burst)
    paths = (("limits", burst), ("limits", rate))
    if has_rate and size < 1:
        yield Contradiction(paths, _NO_BURST)
    if size and not has_rate:
        yield Contradiction(paths, "a burst without a rate limits nothing")

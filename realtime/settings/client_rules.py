"""What is wrong with what clients may cost, and how fast they may ask."""

from collections.abc import Iterator

from realtime.settings.contradiction import Contradiction
from realtime.settings.schema import Settings
from realtime.settings.shape import shown


def client_contradictions(settings: Settings) -> Iterator[Contradiction]:
    """Name all that is wrong in `client` and `limits`."""
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


def _bucket(settings: Settings, rate: str, burst: str) -> Iterator[Contradiction]:
    has_rate = getattr(settings.limits, rate) > 0
    size = getattr(settings.limits, burst)
    paths = (("limits", burst), ("limits", rate))
    if has_rate and size < 1:
        yield Contradiction(paths, "a limit needs a burst of at least 1, or nothing may ever pass")
    if size and not has_rate:
        yield Contradiction(paths, "a burst without a rate limits nothing")

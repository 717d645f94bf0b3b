"""What is wrong with push: providers that are set in part, and namespaces that cannot have it."""

import re
import string
from collections.abc import Iterator
from typing import Final

from realtime.settings.contradiction import Contradiction
from realtime.settings.schema import ChannelOptions, Settings

TEMPLATE_FIELDS: Final = frozenset({"sender", "title", "text", "count"})
"""What templates may say."""

TEMPLATE_MAX: Final = 500
"""Characters of a template."""

_URL: Final = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
_ORIGIN: Final = re.compile(r"https?://[^\s/?#@*]+")
_SUBJECT: Final = re.compile(r"(mailto:[^\s@]+@[^\s@]+|https://[^\s]+)")
_LOCALE: Final = re.compile(r"default|[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")

_APNS_NEEDS: Final = ("key_id", "team_id", "topic")


def push_contradictions(settings: Settings) -> Iterator[Contradiction]:
    """Name all that is wrong in `push`, `fcm`, `apns`, `webpush` and namespaces with `push`."""
    yield from _waits(settings)
    yield from _providers(settings)
    yield from _of_options(("channels",), settings.channels)
    for name, options in settings.namespaces.items():
        yield from _of_options(("namespaces", name), options)


def _waits(settings: Settings) -> Iterator[Contradiction]:
    push = settings.push
    for key in ("ttl", "device_ttl", "trail_ttl", "lease", "retry_min", "retry_max", "pause"):
        if getattr(push, key).ms < 1_000:
            yield Contradiction((("push", key),), 'expected "1s" at least')
    if push.retry_min.ms > push.retry_max.ms:
        paths = (("push", "retry_min"), ("push", "retry_max"))
        yield Contradiction(paths, "the first wait is longer than the longest")


def _providers(settings: Settings) -> Iterator[Contradiction]:
    apns, webpush = settings.apns, settings.webpush
    missing = [key for key in _APNS_NEEDS if getattr(apns, key) is None]
    if apns.key_file is not None and missing:
        paths = (("apns", "key_file"), *(("apns", key) for key in missing))
        yield Contradiction(paths, f"one needs the others; {', '.join(missing)} not set")
    if webpush.vapid_private_key is not None and webpush.vapid_subject is None:
        paths = (("webpush", "vapid_private_key"), ("webpush", "vapid_subject"))
        yield Contradiction(paths, "one needs the other; vapid_subject is not set")
    if webpush.vapid_subject is not None and not _SUBJECT.fullmatch(webpush.vapid_subject):
        text = "expected an address of mail, mailto:…, or of a page, https://…"
        yield Contradiction((("webpush", "vapid_subject"),), text)
    for place, origin in enumerate(webpush.origins):
        if not _ORIGIN.fullmatch(origin):
            text = "expected an origin, https://push.example.com, without a path"
            yield Contradiction((("webpush", "origins"),), text, f"[{place}]")
    urls = {
        ("fcm", "base_url"): settings.fcm.base_url,
        ("fcm", "token_url"): settings.fcm.token_url,
        ("apns", "production_url"): apns.production_url,
        ("apns", "sandbox_url"): apns.sandbox_url,
    }
    for path, url in urls.items():
        if url is not None and not _URL.fullmatch(url):
            yield Contradiction((path,), "expected an address, https://host or https://host:port")


def _of_options(at: tuple[str, ...], options: ChannelOptions) -> Iterator[Contradiction]:
    if options.push and options.chat != "room":
        paths = ((*at, "push"), (*at, "chat"))
        yield Contradiction(paths, 'only members are notified: needs chat = "room"')
    for key in ("push_title", "push_body"):
        for locale, template in getattr(options, key).items():
            if problem := _of_template(locale, template):
                yield Contradiction(((*at, key),), problem)


def _of_template(locale: str, template: str) -> str | None:
    if not _LOCALE.fullmatch(locale):
        return 'expected languages as names, "en", "pt-BR" or "default"'
    if len(template) > TEMPLATE_MAX:
        return f"expected at most {TEMPLATE_MAX} characters"
    try:
        fields = list(string.Formatter().parse(template))
    except ValueError:
        return "expected a text with {sender}, {title}, {text}, {count}; write {{ for a brace"
    for _, name, form, conversion in fields:
        if name is not None and (name not in TEMPLATE_FIELDS or form or conversion):
            return "expected no other braces than {sender}, {title}, {text}, {count}"
    return None

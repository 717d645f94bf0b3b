"""What is wrong with push, its providers, and namespaces that have it."""

from pathlib import Path

import pytest

from tests.unit.settings.loading import load_text, problems

ROOM = '[namespaces.chat]\nhistory_size = -1\nchat = "room"\npush = "all"\n'


def test_rooms_may_have_push_with_texts_by_language(tmp_path: Path) -> None:
    text = ROOM + 'push_title = { default = "{sender} in {title}", pt-BR = "{{{count}}} novas" }\n'
    options = load_text(tmp_path, text).namespaces["chat"]
    assert options.push == "all"
    assert options.push_title["pt-BR"] == "{{{count}}} novas"


def test_the_providers_may_be_set(tmp_path: Path) -> None:
    text = (
        '[apns]\nkey_file = "k.p8"\nkey_id = "K"\nteam_id = "T"\ntopic = "com.example"\n'
        'sandbox_url = "https://127.0.0.1:8443"\n'
        '[fcm]\ncredentials_file = "a.json"\nbase_url = "http://127.0.0.1:1"\n'
        '[webpush]\nvapid_private_key = "secret"\nvapid_subject = "mailto:a@example.com"\n'
        'origins = ["http://127.0.0.1:2"]\n'
    )
    assert load_text(tmp_path, text).webpush.origins == ("http://127.0.0.1:2",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            '[namespaces.plain]\npush = "all"\n',
            "namespaces.plain.push (FILE), namespaces.plain.chat (default): only members are "
            'notified: needs chat = "room"',
        ),
        (
            '[apns]\nkey_file = "k.p8"\nkey_id = "K"\n',
            "apns.key_file (FILE), apns.team_id (default), apns.topic (default): one needs the "
            "others; team_id, topic not set",
        ),
        (
            '[webpush]\nvapid_private_key = "a-secret"\n',
            "webpush.vapid_private_key (FILE), webpush.vapid_subject (default): one needs the "
            "other; vapid_subject is not set",
        ),
        (
            '[webpush]\nvapid_subject = "somebody"\n',
            "webpush.vapid_subject (FILE): expected an address of mail, mailto:…, or of a page, "
            "https://…",
        ),
        (
            '[webpush]\norigins = ["https://push.example.com/path"]\n',
            "webpush.origins[0] (FILE): expected an origin, https://push.example.com, without a "
            "path",
        ),
        (
            '[fcm]\nbase_url = "fcm.googleapis.com"\n',
            "fcm.base_url (FILE): expected an address, https://host or https://host:port",
        ),
        ('[push]\nlease = "10ms"\n', 'push.lease (FILE): expected "1s" at least'),
        (
            '[push]\nretry_min = "20m"\n',
            "push.retry_min (FILE), push.retry_max (default): the first wait is longer than the "
            "longest",
        ),
        (
            ROOM + 'push_body = { default = "{text!r}" }\n',
            "namespaces.chat.push_body (FILE): expected no other braces than {sender}, {title}, "
            "{text}, {count}",
        ),
        (
            ROOM + 'push_body = { default = "{" }\n',
            "namespaces.chat.push_body (FILE): expected a text with {sender}, {title}, {text}, "
            "{count}; write {{ for a brace",
        ),
        (
            ROOM + 'push_title = { "a language" = "x" }\n',
            'namespaces.chat.push_title (FILE): expected languages as names, "en", "pt-BR" or '
            '"default"',
        ),
    ],
)
def test_what_cannot_work_is_told_before_anything_starts(
    tmp_path: Path, text: str, problem: str
) -> None:
    assert problems(tmp_path, text) == [problem]

"""The providers that the settings name, made of keys in files; what is wrong with one is said."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from realtime.errors import SettingsError
from realtime.settings.push_schema import ApnsSettings, FcmSettings, WebPushSettings
from realtime.settings.schema import Settings
from realtime.settings.secret import Secret
from tests.support.apns import SetClock, make_pem
from tests.unit.workers.google_house import EMAIL, KEY_ID, key_pair
from tests.unit.workers.push_house import PRIVATE_KEY, SUBJECT
from workers.making import KEY_MAX_BYTES, make_gates
from workers.providers.base import ProviderName


def account(**changes: object) -> bytes:
    """The JSON of a service account, with members that nobody reads."""
    known = {
        "type": "service_account",
        "project_id": "acme",
        "client_email": EMAIL,
        "private_key": key_pair()[0],
        "private_key_id": KEY_ID,
    }
    return msgspec.json.encode({**known, **changes})


def settings(folder: Path) -> Settings:
    """All three."""
    (folder / "account.json").write_bytes(account())
    (folder / "key.p8").write_text(make_pem())
    return replace(
        Settings(),
        fcm=FcmSettings(credentials_file=str(folder / "account.json"), rate=100.0, concurrency=7),
        apns=ApnsSettings(
            key_file=str(folder / "key.p8"),
            key_id="ABC123DEFG",
            team_id="DEF123GHIJ",
            topic="com.example.app",
        ),
        webpush=WebPushSettings(vapid_private_key=Secret(PRIVATE_KEY), vapid_subject=SUBJECT),
    )


def names(made_of: Settings) -> list[ProviderName]:
    gates = make_gates(made_of, clock=SetClock(), workers=lambda: 2, tell=lambda *_: None)
    assert [gate.provider.name for gate in gates.values()] == list(gates)
    return list(gates)


def problems(made_of: Settings) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        names(made_of)
    assert caught.value.__cause__ is None
    return list(caught.value.problems)


async def test_what_is_set_is_made_and_nothing_else(tmp_path: Path) -> None:
    assert names(Settings()) == []
    made_of = settings(tmp_path)
    assert names(made_of) == ["fcm", "apns", "webpush"]
    assert names(replace(made_of, fcm=FcmSettings())) == ["apns", "webpush"]


async def test_a_gate_has_the_rate_and_the_places_of_its_own_provider(tmp_path: Path) -> None:
    gates = make_gates(
        settings(tmp_path), clock=SetClock(), workers=lambda: 2, tell=lambda *_: None
    )
    assert (gates["fcm"]._per_s, gates["fcm"]._places._value) == (100.0, 7)
    assert (gates["apns"]._per_s, gates["apns"]._places._value) == (0.0, 500)
    assert gates["webpush"]._places._value == 100
    assert {gate._pause_s for gate in gates.values()} == {60.0}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"{}",
        b"[1]",
        account(private_key="a secret that is no key"),
        account(project_id=7),
    ],
)
async def test_an_account_that_is_none_is_said_to_be_so_without_what_is_in_it(
    tmp_path: Path, content: bytes
) -> None:
    made_of = settings(tmp_path)
    (tmp_path / "account.json").write_bytes(content)
    assert problems(made_of) == [
        "fcm.credentials_file: expected the JSON file of a service account's key"
    ]


async def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    made_of = settings(tmp_path)
    (tmp_path / "account.json").unlink()
    (tmp_path / "key.p8").write_bytes(b"x" * (KEY_MAX_BYTES + 1))
    found = problems(
        replace(
            made_of,
            webpush=WebPushSettings(vapid_private_key=Secret("no key"), vapid_subject=SUBJECT),
        )
    )
    assert [problem.partition(":")[0] for problem in found] == [
        "fcm.credentials_file",
        "apns.key_file",
        "webpush",
    ]
    assert found[1] == f"apns.key_file: expected a file of at most {KEY_MAX_BYTES} bytes"
    assert not any("no key" in problem for problem in found)


@pytest.mark.parametrize("content", ["a secret that is no key", make_pem().replace("M", "N")])
async def test_a_signing_key_that_is_none_is_said_to_be_so_without_what_is_in_it(
    tmp_path: Path, content: str
) -> None:
    made_of = settings(tmp_path)
    (tmp_path / "key.p8").write_text(content)
    (problem,) = problems(made_of)
    assert problem.startswith("apns.key_file: ")
    assert content[:20] not in problem


async def test_certificates_that_are_not_there_are_named(tmp_path: Path) -> None:
    made_of = settings(tmp_path)
    apns = replace(made_of.apns, ca_file=str(tmp_path / "none.pem"))
    (problem,) = problems(replace(made_of, apns=apns))
    assert problem.startswith("apns: ")

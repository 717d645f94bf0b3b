"""What is wrong with `auth`. The keys' own faults are told by `realtime.auth.keys`."""

from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.unit.settings.loading import SECRET, load_text, problems


@cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65_537, bits)


def public(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    form = PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(Encoding.PEM, form).decode()


def keys(*, rsa: str, ecdsa: str) -> str:
    return f"[auth]\nrsa_public_key = '''{rsa}'''\necdsa_public_key = '''{ecdsa}'''"


def test_a_secret_has_at_least_32_bytes(tmp_path: Path) -> None:
    assert problems(tmp_path, f'[auth]\nhmac_secret = "{"x" * 31}"') == [
        "auth.hmac_secret (FILE): expected at least 32 bytes; got 31"
    ]
    load_text(tmp_path, f'[auth]\nhmac_secret = "{"x" * 32}"')


def test_a_secret_is_counted_in_bytes_and_not_in_characters(tmp_path: Path) -> None:
    load_text(tmp_path, f'[auth]\nhmac_secret = "{"é" * 16}"')


def test_a_public_key_is_no_secret(tmp_path: Path) -> None:
    text = f"[auth]\nhmac_secret = '''{public(rsa_key(2048))}'''"
    assert problems(tmp_path, text) == [
        "auth.hmac_secret (FILE): expected a secret, found a key in PEM form"
    ]


def test_a_previous_secret_needs_a_current_one(tmp_path: Path) -> None:
    assert problems(tmp_path, f'[auth]\nhmac_previous_secret = "{SECRET}"') == [
        "auth.hmac_previous_secret (FILE), auth.hmac_secret (default): "
        "a previous secret needs a current one"
    ]


def test_public_keys_are_good_in_their_place(tmp_path: Path) -> None:
    curve = public(ec.generate_private_key(ec.SECP256R1()))
    text = (
        f"[auth]\nrsa_public_key = '''{public(rsa_key(2048))}'''\necdsa_public_key = '''{curve}'''"
    )
    assert load_text(tmp_path, text).auth.ecdsa_public_key == curve


def test_keys_in_each_others_place_are_both_told(tmp_path: Path) -> None:
    curve = public(ec.generate_private_key(ec.SECP256R1()))
    text = (
        f"[auth]\nrsa_public_key = '''{curve}'''\necdsa_public_key = '''{public(rsa_key(2048))}'''"
    )
    assert [problem.partition(":")[0] for problem in problems(tmp_path, text)] == [
        "auth.rsa_public_key (FILE)",
        "auth.ecdsa_public_key (FILE)",
    ]


def test_a_private_key_is_told_and_not_shown(tmp_path: Path) -> None:
    pem = rsa_key(2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    (problem,) = problems(tmp_path, f"[auth]\nrsa_public_key = '''{pem}'''")
    assert "private key" in problem
    assert pem.splitlines()[1] not in problem


@pytest.mark.parametrize(
    "url",
    ["", "accounts.example.com/keys", "ftp://example.com/keys", "https://", "https://h:port/keys"],
)
def test_a_key_sets_address_is_one_that_can_be_asked(tmp_path: Path, url: str) -> None:
    assert problems(tmp_path, f'[auth]\njwks_url = "{url}"') == [
        'auth.jwks_url (FILE): expected an address, "https://example.com/keys.json"'
    ]


def test_a_key_set_leaves_no_place_for_keys_of_our_own(tmp_path: Path) -> None:
    text = f'[auth]\njwks_url = "https://example.com/keys"\nhmac_secret = "{SECRET}"'
    assert problems(tmp_path, text) == [
        "auth.jwks_url (FILE), auth.hmac_secret (FILE): "
        "where jwks_url is set only its keys count, not hmac_secret"
    ]


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "hub.example.com"])  # noqa: S104
def test_insecure_is_for_loopback_only(tmp_path: Path, host: str) -> None:
    assert problems(tmp_path, f'[server]\nhost = "{host}"\n[auth]\ninsecure = true') == [
        "auth.insecure (FILE), server.host (FILE): insecure is for a loopback host only, "
        '"127.0.0.1", "::1" or "localhost"'
    ]


def test_insecure_is_refused_where_the_platform_makes_the_host_public(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "[auth]\ninsecure = true", {"PORT": "5000"})
    assert "server.host (PORT)" in problem


def test_insecure_on_loopback_is_good(tmp_path: Path) -> None:
    assert load_text(tmp_path, "[auth]\ninsecure = true").auth.insecure


def test_the_personal_namespace_must_be_there(tmp_path: Path) -> None:
    text = '[auth]\npersonal_namespace = "mine"\n'
    assert problems(tmp_path, text) == [
        "auth.personal_namespace (FILE): there is no such namespace"
    ]
    load_text(tmp_path, text + "[namespaces.mine]")


def test_a_personal_namespace_with_a_problem_of_its_own_is_not_called_missing(
    tmp_path: Path,
) -> None:
    text = '[auth]\npersonal_namespace = "mine"\n[namespaces]\nmine = 5'
    assert problems(tmp_path, text) == [
        "namespaces.mine (FILE): expected a table; got a whole number"
    ]

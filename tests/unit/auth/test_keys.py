import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import x25519

from realtime.auth.errors import TokenInvalid
from realtime.auth.keys import FixedKeys, UnusableKey, public_key_algorithms
from realtime.errors import SettingsError
from tests.unit.auth.minting import (
    OTHER_SECRET,
    SECRET,
    PrivateKey,
    ec_key,
    ed25519_key,
    private_pem,
    public_pem,
    rsa_key,
)


def signs(key: PrivateKey | str, algorithm: str) -> tuple[bytes, bytes]:
    """A message and its signature, by PyJWT."""
    implementation = jwt.algorithms.get_default_algorithms()[algorithm]
    material = key.encode() if isinstance(key, str) else key
    return b"message", implementation.sign(b"message", material)


def algorithms(keys: FixedKeys) -> set[str]:
    found = set()
    for name in jwt.algorithms.get_default_algorithms():
        try:
            found.add(name) if keys.find(name, None) else None
        except TokenInvalid:
            continue
    return found


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_secret_verifies_the_hmac_algorithms(algorithm: str) -> None:
    (verify,) = FixedKeys(hmac_secret=SECRET).find(algorithm, None)
    message, signature = signs(SECRET, algorithm)
    assert verify(message, signature)
    assert not verify(message + b".", signature)
    assert not verify(message, signature[:-1])
    assert not verify(message, b"")


def test_the_previous_secret_is_good_beside_the_present_one() -> None:
    keys = FixedKeys(hmac_secret=SECRET, hmac_previous_secret=OTHER_SECRET)
    new, old = keys.find("HS256", None)
    assert new(*signs(SECRET, "HS256")) and not old(*signs(SECRET, "HS256"))
    assert old(*signs(OTHER_SECRET, "HS256")) and not new(*signs(OTHER_SECRET, "HS256"))


def test_a_secret_that_is_not_utf_8_is_its_bytes() -> None:
    octets = b"\xff\xfe secret of an odd environment ...."
    (verify,) = FixedKeys(hmac_secret=octets.decode(errors="surrogateescape")).find("HS256", None)
    implementation = jwt.algorithms.get_default_algorithms()["HS256"]
    assert verify(b"message", implementation.sign(b"message", octets))


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512"])
def test_an_rsa_key_verifies_the_rsa_algorithms(algorithm: str) -> None:
    (verify,) = FixedKeys(rsa_public_key=public_pem(rsa_key())).find(algorithm, None)
    message, signature = signs(rsa_key(), algorithm)
    assert verify(message, signature)
    assert not verify(message + b".", signature)
    assert not verify(message, b"short")


@pytest.mark.parametrize(
    ("curve", "algorithm"), [("P-256", "ES256"), ("P-384", "ES384"), ("P-521", "ES512")]
)
def test_an_ec_key_verifies_the_one_algorithm_of_its_curve(curve: str, algorithm: str) -> None:
    keys = FixedKeys(ecdsa_public_key=public_pem(ec_key(curve)))
    (verify,) = keys.find(algorithm, None)
    message, signature = signs(ec_key(curve), algorithm)
    assert verify(message, signature)
    assert not verify(message + b".", signature)
    assert not verify(message, b"short")
    assert not verify(message, bytes(len(signature)))
    assert algorithms(keys) == {algorithm}


def test_each_kind_of_key_has_its_fixed_algorithms_and_no_others() -> None:
    """So neither `none` nor PS256 nor an HMAC with a public key can be asked for."""
    assert algorithms(FixedKeys()) == set()
    assert algorithms(FixedKeys(hmac_secret=SECRET)) == {"HS256", "HS384", "HS512"}
    assert algorithms(FixedKeys(rsa_public_key=public_pem(rsa_key()))) == {
        "RS256",
        "RS384",
        "RS512",
    }


def test_all_keys_together_serve_each_its_own_kind() -> None:
    keys = FixedKeys(
        hmac_secret=SECRET,
        rsa_public_key=public_pem(rsa_key()),
        ecdsa_public_key=public_pem(ec_key()),
    )
    assert algorithms(keys) == {"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256"}


def test_a_kid_means_nothing_to_fixed_keys() -> None:
    keys = FixedKeys(hmac_secret=SECRET)
    assert keys.find("HS256", "../../dev/null") == keys.find("HS256", None)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"hmac_secret": ""}, "auth.hmac_secret: expected a secret, found an empty text"),
        (
            {"hmac_previous_secret": public_pem(ec_key())},
            "auth.hmac_previous_secret: expected a secret, found a key in PEM form",
        ),
        (
            {"rsa_public_key": "MIIB"},
            "auth.rsa_public_key: expected the PEM text of a public key, found 4 characters that"
            " are not one",
        ),
        (
            {"rsa_public_key": private_pem(rsa_key())},
            "auth.rsa_public_key: expected the PEM text of a public key, found a private key, which"
            " has no business here",
        ),
        (
            {"ecdsa_public_key": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
            "auth.ecdsa_public_key: expected the PEM text of a public key, found a certificate",
        ),
        (
            {"rsa_public_key": public_pem(ec_key())},
            "auth.rsa_public_key: expected the PEM text of an RSA public key, found another kind of"
            " key",
        ),
        (
            {"ecdsa_public_key": public_pem(rsa_key())},
            "auth.ecdsa_public_key: expected the PEM text of an EC public key, found another kind"
            " of key",
        ),
        (
            {"rsa_public_key": public_pem(rsa_key(1024))},
            "auth.rsa_public_key: the RSA key has 1024 bits; expected 2048 or more",
        ),
        (
            {"ecdsa_public_key": public_pem(ec_key("secp256k1"))},
            "auth.ecdsa_public_key: the curve is secp256k1; expected P-256, P-384 or P-521",
        ),
    ],
)
def test_a_key_that_cannot_be_used_is_named(settings: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        FixedKeys(**settings)
    assert caught.value.problems == (problem,)


def test_all_problems_are_reported_together() -> None:
    with pytest.raises(SettingsError) as caught:
        FixedKeys(hmac_secret="", rsa_public_key="", ecdsa_public_key="")
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "auth.hmac_secret",
        "auth.rsa_public_key",
        "auth.ecdsa_public_key",
    ]


def test_an_ed25519_key_verifies_eddsa() -> None:
    (verify,) = public_key_algorithms(ed25519_key().public_key()).values()
    message, signature = signs(ed25519_key(), "EdDSA")
    assert verify(message, signature)
    assert not verify(message, signature[1:])


def test_a_key_of_another_kind_is_unusable() -> None:
    with pytest.raises(UnusableKey):
        public_key_algorithms(x25519.X25519PrivateKey.generate().public_key())


def test_the_repr_shows_algorithms_and_no_key() -> None:
    assert repr(FixedKeys(hmac_secret=SECRET)) == "<FixedKeys HS256 HS384 HS512>"
    assert repr(FixedKeys()) == "<FixedKeys without a key>"

"""`realtime token`."""

from pathlib import Path

import jwt
import pytest

from realtime.cli import main
from realtime.cli.token import make_claims
from realtime.settings.durations import Duration
from realtime.settings.schema import AuthSettings

Output = pytest.CaptureFixture[str]

SECRET = "a-secret-for-tests-of-more-than-32-bytes"
HOUR = Duration.parse("1h")


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("REALTIME_AUTH__HMAC_SECRET", SECRET)
    return SECRET


def decode(capsys: Output, secret: str) -> dict[str, object]:
    claims: dict[str, object] = jwt.decode(
        capsys.readouterr().out.strip(), secret, algorithms=["HS256"]
    )
    return claims


def test_a_connection_token(secret: str, capsys: Output) -> None:
    assert main(["token", "bob"]) == 0
    claims = decode(capsys, secret)
    assert set(claims) == {"sub", "role", "iat", "exp", "jti"}
    assert (claims["sub"], claims["role"]) == ("bob", "user")


def test_its_role_and_life_are_as_asked(secret: str, capsys: Output) -> None:
    assert main(["token", "bob", "--role", "admin", "--ttl", "2m"]) == 0
    claims = decode(capsys, secret)
    assert claims["role"] == "admin"
    assert isinstance(claims["exp"], int) and isinstance(claims["iat"], int)
    assert claims["exp"] - claims["iat"] == 120


def test_a_subscription_token(secret: str, capsys: Output) -> None:
    assert main(["token", "bob", "--channel", "chat:one"]) == 0
    claims = decode(capsys, secret)
    assert (claims["sub"], claims["channel"]) == ("bob", "chat:one")
    assert "role" not in claims


def test_every_token_has_an_id_of_its_own(secret: str, capsys: Output) -> None:
    main(["token", "bob"])
    first = decode(capsys, secret)
    main(["token", "bob"])
    assert decode(capsys, secret)["jti"] != first["jti"]


def test_a_subscription_token_has_no_role(secret: str, capsys: Output) -> None:
    assert main(["token", "bob", "--channel", "chat:one", "--role", "admin"]) == 2
    assert capsys.readouterr().err == "realtime: --role: a subscription token has no role\n"


def test_without_a_secret_there_is_no_token(capsys: Output) -> None:
    assert main(["token", "bob"]) == 2
    assert capsys.readouterr() == (
        "",
        "realtime: auth.hmac_secret: not set, so there is nothing to sign a token with\n",
    )


@pytest.mark.parametrize("ttl", ["", "5", "0s", "999ms", "-1s"])
def test_a_life_is_a_duration_of_a_second_or_more(ttl: str, secret: str, capsys: Output) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["token", "bob", f"--ttl={ttl}"])
    assert stopped.value.code == 2
    assert "--ttl: expected" in capsys.readouterr().err


def test_for_development_it_uses_the_secret_that_is_kept(folder: Path, capsys: Output) -> None:
    (folder / "realtime-dev.db.secret").write_text(f"{SECRET}\n")
    assert main(["token", "bob", "--dev"]) == 0
    assert decode(capsys, SECRET)["sub"] == "bob"


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("realtime-dev.db", "in this folder"),
        ("/no/hub.db", "there"),
    ],
)
def test_for_development_it_makes_no_secret(
    name: str, where: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """A token of a secret that no hub knows is of no use."""
    monkeypatch.setenv("REALTIME_STORE__URL", f"sqlite:///{name}")
    assert main(["token", "bob", "--dev"]) == 2
    assert capsys.readouterr() == (
        "",
        f"realtime: auth.hmac_secret (--dev): {name}.secret is not {where}; run it where "
        "`realtime serve --dev` was started, or name the database by --config or "
        "REALTIME_STORE__URL\n",
    )
    assert list(folder.iterdir()) == []


def test_beside_a_database_in_memory_no_secret_is_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("REALTIME_STORE__URL", "sqlite://:memory:")
    assert main(["token", "bob", "--dev"]) == 2
    assert "beside a database in memory no secret is kept" in capsys.readouterr().err


def test_a_secret_that_is_configured_is_good_beside_a_database_in_memory(
    secret: str, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("REALTIME_STORE__URL", "sqlite://:memory:")
    assert main(["token", "bob", "--dev"]) == 0
    assert decode(capsys, secret)["sub"] == "bob"


class TestClaims:
    """A token has what a hub with the same settings asks for."""

    def test_of_a_user(self) -> None:
        claims = make_claims(AuthSettings(), "bob", now=1_000, ttl=HOUR, jti="x")
        assert claims == {"sub": "bob", "role": "user", "iat": 1_000, "exp": 4_600, "jti": "x"}

    def test_of_a_guest(self) -> None:
        claims = make_claims(AuthSettings(), "", now=0, ttl=HOUR, jti="x")
        assert (claims["sub"], claims["role"]) == ("", "guest")

    def test_the_user_is_in_the_claim_that_the_settings_name(self) -> None:
        auth = AuthSettings(user_claim="uid")
        claims = make_claims(auth, "bob", now=0, ttl=HOUR, jti="x", channel="chat:one")
        assert claims["uid"] == "bob"
        assert "sub" not in claims

    def test_audience_and_issuer_are_those_of_the_settings(self) -> None:
        auth = AuthSettings(audience="hub", issuer="shop")
        claims = make_claims(auth, "bob", now=0, ttl=HOUR, jti="x")
        assert (claims["aud"], claims["iss"]) == ("hub", "shop")

"""Tokens are signed for each client, or dealt from a list; files that hold none are refused."""

from pathlib import Path

import jwt
import pytest

from load.share import Share
from load.tokens import Tokens, TokensError, read_secret, read_tokens

SECRET = "a-secret-of-more-than-thirty-two-bytes"


def share(**changes: object) -> Share:
    fields: dict[str, object] = {
        **{"player": "x:Y", "parameters": {}, "urls": (), "format": "json", "seed": 1},
        **{"run": "run7", "index": 0, "processes": 1},
    }
    return Share(**{**fields, **changes})  # type: ignore[arg-type]


def test_each_client_has_a_token_of_its_own_user() -> None:
    tokens = Tokens(share(secret=SECRET))
    claims = jwt.decode(tokens.of(3, info={"a": 1}), SECRET, algorithms=["HS256"])
    assert (claims["sub"], claims["info"], tokens.user(3)) == ("run7-3", {"a": 1}, "run7-3")
    claims = jwt.decode(tokens.subscription(3, "$news"), SECRET, algorithms=["HS256"])
    assert (claims["sub"], claims["channel"]) == ("run7-3", "$news")


def test_tokens_of_a_list_are_dealt_in_turn() -> None:
    dealt = tuple(jwt.encode({"sub": user}, SECRET) for user in ("ann", "bob"))
    tokens = Tokens(share(tokens=dealt))
    assert [tokens.of(client) for client in range(3)] == [dealt[0], dealt[1], dealt[0]]
    assert [tokens.user(client) for client in range(3)] == ["ann", "bob", "ann"]


def test_without_either_there_is_none() -> None:
    assert Tokens(share()).of(0) == ""
    assert Tokens(share()).subscription(0, "$news") == ""


def test_a_share_shows_no_secret() -> None:
    assert SECRET not in repr(share(secret=SECRET))


def test_clients_are_shared_out() -> None:
    shares = [share(index=index, processes=3) for index in range(3)]
    assert sorted(client for one in shares for client in one.mine(10)) == list(range(10))
    assert shares[0].random("a").random() == shares[0].random("a").random()
    assert shares[0].random("a").random() != shares[1].random("a").random()


def test_files_are_read(tmp_path: Path) -> None:
    secret, tokens = tmp_path / "secret", tmp_path / "tokens"
    secret.write_text(f"{SECRET}\n")
    tokens.write_text("a.b.c\n\n d.e.f \n")
    assert read_secret(str(secret)) == SECRET
    assert read_tokens(str(tokens)) == ("a.b.c", "d.e.f")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"not a token\n", b"\xff\xfe"])
def test_what_holds_no_tokens_is_refused_without_a_word_of_it(
    content: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "tokens"
    file.write_bytes(content)
    with pytest.raises(TokensError) as refused:
        read_tokens(str(file))
    assert str(file) in str(refused.value)
    assert "not a token" not in str(refused.value)
    with pytest.raises(TokensError, match="No such file"):
        read_secret(str(tmp_path / "nothing"))

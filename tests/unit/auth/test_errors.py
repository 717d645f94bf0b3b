import pytest

from realtime.auth.errors import NeedsKey, TokenError, TokenExpired, TokenInvalid


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (TokenExpired(), "token expired"),
        (TokenInvalid("signature"), "invalid token"),
        (TokenInvalid("claims"), "invalid token"),
        (NeedsKey("a kid from a stranger"), "unknown token key"),
    ],
)
def test_texts_are_constant(error: TokenError, text: str) -> None:
    assert str(error) == text


def test_the_fields_are_kept_for_the_caller() -> None:
    assert TokenInvalid("audience").reason == "audience"
    assert NeedsKey("k1").kid == "k1"

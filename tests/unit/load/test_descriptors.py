"""What a load needs of the system is worked out before it starts."""

import resource

import pytest

from load.descriptors import SPARE, LimitError, local_ports, source_addresses, wanted_soft

HERE = "127.0.0.1:8000"
INFINITE = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("clients", "soft", "hard", "wanted"),
    [
        (1_000, 1_024 + SPARE, 4_096, 1_024 + SPARE),
        (1_000, 1_024, 4_096, 1_000 + SPARE),
        (1_000, 256, INFINITE, 1_000 + SPARE),
        (1_000, INFINITE, INFINITE, INFINITE),
        (4_096 - SPARE, 1_024, 4_096, 4_096),
    ],
)
def test_the_soft_limit_is_raised_as_far_as_needed(
    clients: int, soft: int, hard: int, wanted: int
) -> None:
    assert wanted_soft(clients, soft, hard) == wanted


def test_a_hard_limit_that_is_too_low_says_what_to_do() -> None:
    with pytest.raises(LimitError, match=r"needs 5,064 open files and may have 4,096.*processes"):
        wanted_soft(5_000, 1_024, 4_096)


def test_one_address_is_enough_as_long_as_it_has_ports() -> None:
    assert source_addresses(900, [HERE], ports=1_000) == ()
    assert source_addresses(1_800, [HERE, "127.0.0.1:8001"], ports=1_000) == ()


def test_on_loopback_there_are_as_many_addresses_as_it_takes() -> None:
    assert source_addresses(901, [HERE], ports=1_000) == ("127.0.0.2", "127.0.0.3")
    assert len(source_addresses(90_000, [HERE], ports=1_000)) == 100


def test_elsewhere_addresses_must_be_given() -> None:
    with pytest.raises(LimitError, match="--source"):
        source_addresses(901, ["192.0.2.1:80"], ports=1_000)
    given = ("192.0.2.7", "192.0.2.8")
    assert source_addresses(901, ["192.0.2.1:80"], given, ports=1_000) == given
    with pytest.raises(LimitError, match="3 source addresses and 2 are given"):
        source_addresses(1_801, ["192.0.2.1:80"], given, ports=1_000)


def test_addresses_that_are_given_are_used_even_where_one_would_do() -> None:
    assert source_addresses(1, [HERE], ("127.0.0.9",), ports=1_000) == ("127.0.0.9",)


def test_this_machine_has_ports() -> None:
    assert 1 < local_ports() < 65_536

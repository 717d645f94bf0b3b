import pytest

from realtime.limits.addresses import UNKNOWN, address_key


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("127.0.0.1", "127.0.0.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:c000:0201", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", UNKNOWN),
        ("localhost", UNKNOWN),
        ("/run/hub.sock", UNKNOWN),
        ("192.0.2.256", UNKNOWN),
        ("192.0.2.01", UNKNOWN),
        ("192.0.2.1:8000", UNKNOWN),
        ("[::1]", UNKNOWN),
        ("2001:db8::/32", UNKNOWN),
        ("1" * 100_000, UNKNOWN),
        ("fe80::1%" + "z" * 100, UNKNOWN),
    ],
)
def test_the_key_of_an_address(address: str, key: str) -> None:
    assert address_key(address) == key


def test_every_address_of_a_network_has_one_key() -> None:
    assert len({address_key(f"2001:db8::{host:x}:{host:x}") for host in range(1, 200)}) == 1

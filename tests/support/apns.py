"""What tests of APNs need beside a server: a key, and a clock that is set."""

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec


class SetClock:
    """A clock that stands still until it is advanced or set back."""

    def __init__(self) -> None:
        self._monotonic_s = 1000.0
        self._wall_ms = 1_800_000_000_000

    def monotonic(self) -> float:
        """See `realtime.cluster.clock.Clock`."""
        return self._monotonic_s

    def wall_ms(self) -> int:
        """See `realtime.cluster.clock.Clock`."""
        return self._wall_ms

    def advance(self, seconds: float) -> None:
        """Let time go by."""
        self._monotonic_s += seconds
        self._wall_ms += int(seconds * 1000)

    def set_back(self, seconds: float) -> None:
        """Let somebody set the wall clock back."""
        self._wall_ms -= int(seconds * 1000)


def make_pem(curve: ec.EllipticCurve | None = None) -> str:
    """A private key as Apple's .p8 files have it; of another curve than P-256 where asked."""
    return (
        ec.generate_private_key(curve or ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )

"""Limits that a field's type carries, so that the schema is the only place that says them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Range:
    """A number from `low` to `high`, both allowed; nan never is."""

    low: float
    high: float

    def allows(self, value: float) -> bool:
        """Whether the number is in the range."""
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:.15g}"


@dataclass(frozen=True, slots=True)
class NotEmpty:
    """A text of at least one character."""

    def allows(self, value: str) -> bool:
        """Whether the text has a character."""
        return value != ""

    def __str__(self) -> str:
        return "not empty"


@dataclass(frozen=True, slots=True)
class FromFile(NotEmpty):
    """A text, not empty, that the environment may also name a file for."""


@dataclass(frozen=True, slots=True)
class Address(FromFile):
    """The address of a server or a file. It may hold a password, so it is shown without one."""

    def __str__(self) -> str:
        return "an address"


@dataclass(frozen=True, slots=True)
class Pem(FromFile):
    """A public key of `family` as PEM text."""

    family: str

    def __str__(self) -> str:
        return f"the PEM text of an {self.family} public key"

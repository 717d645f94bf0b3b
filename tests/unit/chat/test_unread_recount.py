"""Whatever users do on two nodes, what is unread is what a recount of the log says."""

import pytest

from tests.support.recounted import Recounted, recounted
from tests.support.recounted_retention import RecountedByAge, RecountedByRoom, RecountedBySize


def test_some_hundred_operations_leave_what_a_recount_says() -> None:
    recounted(Recounted, examples=12, steps=30)


@pytest.mark.parametrize("machine", [RecountedBySize, RecountedByAge, RecountedByRoom])
def test_what_retention_has_taken_is_unread_for_nobody(machine: type[Recounted]) -> None:
    recounted(machine, examples=8, steps=30)


@pytest.mark.thorough
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("machine", [Recounted, RecountedBySize, RecountedByAge, RecountedByRoom])
def test_ten_thousand_operations_leave_what_a_recount_says(machine: type[Recounted]) -> None:
    recounted(machine, examples=125, steps=80)

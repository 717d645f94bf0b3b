"""A deployment of a module's own, with a MongoDB and a Redis as the compose file starts it."""

from collections.abc import Iterator

import pytest

from tests.deployment.children import Child
from tests.deployment.deployment import Deployment, open_deployment, open_mongodb


@pytest.fixture(scope="module")
def mongodb_url() -> Iterator[str]:
    """An empty database."""
    with open_mongodb() as url:
        yield url


@pytest.fixture(scope="module")
def deployment(mongodb_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """An empty deployment; what is started in it ends with the module."""
    with open_deployment(tmp_path_factory.mktemp("deployment"), mongodb_url) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def redis(deployment: Deployment) -> Child:
    """Redis, once it is well."""
    return deployment.redis()

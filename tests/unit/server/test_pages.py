"""The development page and its tokens."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from realtime.server.http import make_application
from realtime.server.pages import USER_MAX, PageRoutes

Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """A client of the pages, whose tokens are the user's name."""
    routes = PageRoutes(lambda user: f"token of {user}")
    async with TestClient(TestServer(make_application([routes]))) as found:
        yield found


async def test_the_page_and_each_of_its_files_are_served(client: Client) -> None:
    response = await client.get("/")
    assert response.status == 200
    assert response.content_type == "text/html"
    text = await response.text()
    for name in ("chat.js", "layout.css", "theme.css"):
        assert f"/pages/{name}" in text
        found = await client.get(f"/pages/{name}")
        assert found.status == 200
        assert found.content_type == ("text/css" if name.endswith("css") else "text/javascript")


async def test_nothing_from_elsewhere_may_run_in_the_page(client: Client) -> None:
    headers = (await client.get("/")).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/pages/", "/pages/nothing.js", "/pages/../pages.py", "/pages/%2e%2e%2fpages.py"]
)
async def test_only_the_pages_files_are_served(client: Client, path: str) -> None:
    assert (await client.get(path)).status == 404


async def test_the_guides_are_served_as_text(client: Client) -> None:
    response = await client.get("/guides/javascript.md")
    assert response.content_type == "text/plain"
    assert (await response.text()).startswith("# JavaScript")
    assert (await client.get("/guides/nothing.md")).status == 404
    assert (await client.get("/guides/%2e%2e%2ferrors.py")).status == 404


async def test_whoever_picks_a_name_gets_a_token(client: Client) -> None:
    response = await client.post("/dev/token", json={"user": " alice "})
    assert await response.json() == {"token": "token of alice"}


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"user":""}', b'{"user":"  "}', b'{"user":1}']
)
async def test_a_body_that_names_nobody_is_refused(client: Client, body: bytes) -> None:
    response = await client.post(
        "/dev/token", data=body, headers={"Content-Type": "application/json"}
    )
    assert response.status == 400


async def test_a_name_has_a_length(client: Client) -> None:
    for length, status in ((USER_MAX, 200), (USER_MAX + 1, 400)):
        response = await client.post("/dev/token", json={"user": "x" * length})
        assert response.status == status


async def test_another_sites_form_gets_no_token(client: Client) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        response = await client.post(
            "/dev/token", data=b'{"user":"alice"}', headers={"Content-Type": kind}
        )
        assert response.status == 415

"""Pages of other sites in headless Chromium may use streams where their origin may connect."""

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import web

from tests.end_to_end.conftest import MakeHub
from tests.support.programs import require
from tests.support.server_api import open_api
from tests.support.tokens import connection_token

# Starting Chromium on a machine that may be busy.
pytestmark = pytest.mark.timeout(120)

_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
_REPORT_S: Final = 60.0

SCRIPT: Final = """
const hub = HUB, token = TOKEN, channel = "chat:page", told = {};
const lines = async function* (answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    for (let end; (end = text.indexOf("\\n")) >= 0; text = text.slice(end + 1))
      yield JSON.parse(text.slice(0, end));
  }
};
const post = (path, body) => fetch(hub + path, {
  method: "POST", credentials: "include", body: JSON.stringify(body),
  headers: { "Content-Type": "application/json", "X-Own": "1" },
});
const attempt = async (name, work) => {
  try { told[name] = await work(); } catch (error) { told[name] = `${error}`; }
};
const conversation = async () => {
  const stream = lines(await post("/connection/http_stream", { id: 1, connect: { token } }));
  const { connect } = (await stream.next()).value;
  const say = (command) => post("/emulation", {
    session: connect.session, node: connect.node, data: JSON.stringify(command),
  });
  const statuses = [(await say({ id: 2, subscribe: { channel } })).status];
  await stream.next();
  statuses.push((await say({ id: 3, publish: { channel, data: "from a page" } })).status);
  for (;;) {
    const { push } = (await stream.next()).value;
    if (push && push.pub) return [statuses, push.pub.data];
  }
};
const following = () => new Promise((resolve, reject) => {
  const said = encodeURIComponent(JSON.stringify({
    token, subs: { [channel]: { recover: true, epoch: "", offset: 0 } },
  }));
  const source = new EventSource(hub + "/connection/uni_sse?cf_connect=" + said);
  source.onerror = () => { source.close(); reject("refused"); };
  source.onmessage = ({ data }) => {
    const { connect } = JSON.parse(data);
    if (!connect) return;
    source.close();
    resolve(connect.subs[channel].publications.map((each) => each.data));
  };
});
const image = () => new Promise((resolve) => {
  const said = `{"id":1,"connect":{"token":"${token}"}}\\n` +
    `{"id":2,"publish":{"channel":"${channel}","data":"from an image"}}`;
  const picture = new Image();
  picture.onload = picture.onerror = () => resolve("ended");
  setTimeout(() => resolve("goes on"), 5000);
  picture.src = hub + "/connection/sse?cf_connect=" + encodeURIComponent(said);
});
const refusal = async () => {
  const answer = await post("/emulation", { session: "a.b", node: "", data: "{}" });
  return [answer.status, await answer.text()];
};
(async () => {
  await attempt("conversation", conversation);
  await attempt("following", following);
  await attempt("refusal", refusal);
  await attempt("image", image);
  await fetch("/report", { method: "POST", body: JSON.stringify(told) });
})();
"""


class Site:
    """A web site of another origin than the hub's, whose page tells what it came to."""

    def __init__(self, script: str) -> None:
        self.script = script
        self.report: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    async def page(self, request: web.Request) -> web.Response:
        """The page."""
        html = f"<!doctype html><title>t</title><script>{self.script}</script>"
        return web.Response(text=html, content_type="text/html")

    async def reported(self, request: web.Request) -> web.Response:
        """What the page says."""
        self.report.set_result(json.loads(await request.text()))
        return web.Response()


@contextlib.asynccontextmanager
async def served(site: Site) -> AsyncIterator[str]:
    """The site's origin, while it is served."""
    application = web.Application()
    application.router.add_get("/", site.page)
    application.router.add_post("/report", site.reported)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        listener = web.TCPSite(runner, "127.0.0.1", 0)
        await listener.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def visited(url: str, site: Site, profile: Path) -> dict[str, Any]:
    """Open the page in a browser; what it reports."""
    name = next((name for name in _BROWSERS if shutil.which(name)), _BROWSERS[0])
    process = await asyncio.create_subprocess_exec(
        require(name, "install the package chromium of your system"),
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"),
        f"--user-data-dir={profile}",
        url,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_REPORT_S):
            return await site.report
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.parametrize("is_allowed", [True, False])
async def test_a_page_of_another_site(make_hub: MakeHub, tmp_path: Path, is_allowed: bool) -> None:
    site = Site("")
    async with served(site) as origin:
        allowed = origin if is_allowed else "https://app.example.com"
        hub = make_hub({"server": {"allowed_origins": [allowed]}})
        await asyncio.to_thread(hub.start)
        site.script = SCRIPT.replace("HUB", json.dumps(hub.url), 1).replace(
            "TOKEN", json.dumps(connection_token("ann")), 1
        )
        told = await visited(f"{origin}/", site, tmp_path / "profile")
    async with open_api(hub) as api:
        history = await api.call("history", channel="chat:page", limit=10)
    published = [each["data"] for each in history["publications"]]
    # Nothing by the image: that may say who asks, and no page of another site may read the answer.
    assert published == (["from a page"] if is_allowed else [])
    if is_allowed:
        assert told == {
            "conversation": [[204, 204], "from a page"],
            "following": ["from a page"],
            "refusal": [404, "There is no such session.\n"],
            "image": "ended",
        }
    else:
        assert told == {
            "conversation": "TypeError: Failed to fetch",
            "following": "refused",
            "refusal": "TypeError: Failed to fetch",
            "image": "ended",
        }

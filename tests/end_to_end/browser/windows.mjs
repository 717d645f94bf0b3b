// Windows of headless Chromium on the hub's page, one per user, for windows.py.
//
// Calls come as JSON lines on stdin, `{"call": "say", …}`; each is answered with one line on
// stdout, `{"result": …}` or `{"error": "…"}`. The browser ends with stdin.

import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const WAIT_MS = 20_000;
const ARGUMENTS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const browser = await chromium.launch({ executablePath: process.argv[2], args: ARGUMENTS });
const windows = new Map();

/** What a window sees beside its page: requests, complaints, and publications on the wire. */
class Window {
  addresses = new Set();
  complaints = [];
  offsets = [];

  constructor(page) {
    this.page = page;
    page.setDefaultTimeout(WAIT_MS);
    page.on("request", (request) => this.addresses.add(request.url()));
    page.on("pageerror", (error) => this.complaints.push(error.message));
    page.on("console", (message) => {
      // Chromium reports a refused connection as an error; it is the subject here.
      const expected = message.text().includes("WebSocket connection to");
      if (["error", "warning"].includes(message.type()) && !expected) {
        this.complaints.push(message.text());
      }
    });
    page.on("websocket", (socket) => {
      this.addresses.add(socket.url());
      socket.on("framereceived", ({ payload }) => this.#listen(String(payload)));
    });
  }

  #listen(frame) {
    for (const { push, subscribe } of frame.split("\n").map((line) => JSON.parse(line))) {
      const publications = push?.pub ? [push.pub] : (subscribe?.publications ?? []);
      for (const { offset } of publications) if (offset) this.offsets.push(offset);
    }
  }
}

const calls = {
  async open({ url, user, width, height, scheme }) {
    const context = await browser.newContext({
      viewport: { width, height },
      colorScheme: scheme,
      reducedMotion: "reduce",
    });
    const window = new Window(await context.newPage());
    windows.set(user, window);
    const response = await window.page.goto(url);
    await window.page.fill("#name", user);
    await window.page.keyboard.press("Enter");
    return (await response.allHeaders())["content-security-policy"] ?? "";
  },

  async reload({ user }) {
    await windows.get(user).page.reload();
  },

  async close({ user }) {
    await windows.get(user).page.context().close();
    windows.delete(user);
  },

  async say({ user, text }) {
    await windows.get(user).page.fill("#text", text);
    await windows.get(user).page.press("#text", "Enter");
  },

  async type({ user, text }) {
    await windows.get(user).page.locator("#text").pressSequentially(text);
  },

  async connection({ user, state }) {
    await windows.get(user).page.waitForSelector(`body[data-connection="${state}"]`);
  },

  /** Waits until as many messages are on screen in that state. */
  async settled({ user, state, count }) {
    const wanted = [`.message[data-state="${state}"]`, count];
    await windows.get(user).page.waitForFunction(
      ([selector, number]) => document.querySelectorAll(selector).length === number,
      wanted,
    );
  },

  async messages({ user }) {
    return windows.get(user).page.$$eval(".message", (messages) =>
      messages.map((message) => [
        message.querySelector(".name").textContent,
        message.querySelector(".bubble").textContent,
      ]),
    );
  },

  async people({ user, count }) {
    const list = windows.get(user).page.locator("#people .name");
    await windows.get(user).page.waitForFunction(
      (number) => document.querySelectorAll("#people li").length === number,
      count,
    );
    return list.allTextContents();
  },

  async activity({ user, text }) {
    await windows.get(user).page.locator("#activity", { hasText: text }).waitFor();
  },

  /** What the window has seen so far: see `Window`. */
  async seen({ user }) {
    const { addresses, complaints, offsets } = windows.get(user);
    return { addresses: [...addresses], complaints, offsets };
  },

  /** Publishes to the lobby as the user, beside what the page itself sends. */
  async publish({ user, data }) {
    await windows.get(user).page.evaluate(
      async ([sub, message]) => {
        const { Connection } = await import("/pages/wire.js");
        const request = { method: "POST", headers: { "Content-Type": "application/json" } };
        const answer = await fetch("/dev/token", { ...request, body: JSON.stringify({ user: sub }) });
        const { token } = await answer.json();
        const address = `ws://${location.host}/connection/websocket`;
        await new Promise((resolve, reject) => {
          const connection = new Connection(address, async () => token, () => {});
          const lobby = connection.subscribe("room:lobby", {
            subscribed: () => lobby.publish(message).then(resolve, reject),
          });
          connection.connect();
        });
      },
      [user, data],
    );
  },

  /** Pixels by which anything of the room is out of the window, to the left or to the right. */
  async overflow({ user }) {
    return windows.get(user).page.evaluate(() =>
      Math.max(
        document.body.scrollWidth - innerWidth,
        ...[...document.querySelectorAll("#room, #room *")]
          .map((element) => element.getBoundingClientRect())
          .map(({ left, right }) => Math.ceil(Math.max(-left, right - innerWidth))),
      ),
    );
  },

  async screenshot({ user, path }) {
    await windows.get(user).page.screenshot({ path });
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { call, ...details } = JSON.parse(line);
  let answer;
  try {
    answer = { result: (await calls[call](details)) ?? null };
  } catch (error) {
    answer = { error: error.message };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();

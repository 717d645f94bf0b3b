// Windows of headless Chromium on the hub's page, for windows.py. Each user has a browser profile.
//
// Calls come as JSON lines on stdin, `{"call": "click", …}`; each is answered with one line on
// stdout, `{"result": …}` or `{"error": "…"}`. The browser ends with stdin.

import { createInterface } from "node:readline";
import { isDeepStrictEqual } from "node:util";
import { chromium } from "playwright-core";

const WAIT_MS = 20_000;
const POLL_MS = 25;
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
const profiles = new Map();
const windows = new Map();

/** What a window sees beside its page: requests, complaints, and entries of logs on the wire. */
class Window {
  addresses = new Set();
  complaints = [];
  offsets = {};

  constructor(page) {
    this.page = page;
    page.setDefaultTimeout(WAIT_MS);
    page.on("request", (request) => this.addresses.add(request.url()));
    page.on("requestfailed", (request) => {
      this.complaints.push(`${request.url()}: ${request.failure().errorText}`);
    });
    page.on("pageerror", (error) => this.complaints.push(error.stack));
    page.on("console", (message) => {
      // Chromium reports a refused connection as an error; it is the subject here.
      const expected = message.text().includes("WebSocket connection to");
      if (["error", "warning"].includes(message.type()) && !expected) {
        this.complaints.push(message.text());
      }
    });
    page.on("websocket", (socket) => {
      this.addresses.add(socket.url());
      const channels = new Map();
      socket.on("framesent", ({ payload }) => {
        for (const { id, subscribe } of parse(payload)) {
          if (subscribe) channels.set(id, subscribe.channel);
        }
      });
      socket.on("framereceived", ({ payload }) => {
        for (const { id, push, subscribe } of parse(payload)) {
          if (push?.pub) this.#note(push.channel, [push.pub]);
          if (subscribe?.publications) this.#note(channels.get(id), subscribe.publications);
        }
      });
    });
  }

  #note(channel, publications) {
    for (const { offset } of publications) if (offset) (this.offsets[channel] ??= []).push(offset);
  }
}

function parse(frame) {
  return String(frame).split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

/** Looks again and again, until `look()` is as wanted; answers what it was last. */
async function until(look, isWanted) {
  const end = Date.now() + WAIT_MS;
  for (;;) {
    const seen = await look();
    if (isWanted(seen) || Date.now() > end) return seen;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

const calls = {
  /** Opens the page and signs in; where the user has a profile, it is a second window of theirs. */
  async open({ window, user, url, width, height, scheme }) {
    if (!profiles.has(user)) {
      const options = { viewport: { width, height }, colorScheme: scheme, reducedMotion: "reduce" };
      profiles.set(user, await browser.newContext({ ...options, hasTouch: width < 500 }));
    }
    const opened = new Window(await profiles.get(user).newPage());
    windows.set(window, opened);
    const response = await opened.page.goto(url);
    await opened.page.fill("#name", user);
    await opened.page.keyboard.press("Enter");
    await opened.page.waitForSelector('body[data-connection="connected"]');
    return (await response.allHeaders())["content-security-policy"] ?? "";
  },

  async forget() {
    await Promise.all([...profiles.values()].map((profile) => profile.close()));
    profiles.clear();
    windows.clear();
  },

  async reload({ window }) {
    await windows.get(window).page.reload();
  },

  async close({ window }) {
    await windows.get(window).page.close();
    windows.delete(window);
  },

  async go({ window, address }) {
    await windows.get(window).page.evaluate((hash) => (location.hash = hash), address);
  },

  /** Leaves the page for another address of the hub's, or for any other. */
  async visit({ window, url }) {
    await windows.get(window).page.goto(url);
  },

  async address({ window }) {
    return new URL(windows.get(window).page.url()).hash;
  },

  async press({ window, key }) {
    await windows.get(window).page.keyboard.press(key);
  },

  /** "click", "hover", "fill", "press", "type", "check" or "focus" with an element. */
  async act({ window, action, selector, value }) {
    const element = windows.get(window).page.locator(selector).filter({ visible: true }).first();
    const method = action === "type" ? "pressSequentially" : action;
    await element[method](...(value === null ? [] : [value]));
  },

  /** Waits until the elements that can be seen say these texts; answers what they say. */
  async texts({ window, selector, wanted }) {
    const look = () =>
      windows.get(window).page.locator(selector).evaluateAll((elements) =>
        elements
          .filter((element) => element.checkVisibility())
          .map((element) => (element.matches("textarea") ? element.value : element.innerText))
          .map((text) => text.replace(/\s+/g, " ").trim()),
      );
    return until(look, (texts) => wanted === null || isDeepStrictEqual(texts, wanted));
  },

  /** Waits until this is the list of conversations: "title | preview | badges". */
  async channels({ window, wanted }) {
    const look = () =>
      windows.get(window).page.locator("#channels .entry").evaluateAll((entries) =>
        entries.map((entry) =>
          [".name", ".preview", ".mentions", ".unread"]
            .map((selector) => entry.querySelector(selector))
            .filter((part) => part.checkVisibility())
            .map((part) => part.textContent)
            .join(" | "),
        ),
      );
    return until(look, (lines) => isDeepStrictEqual(lines, wanted));
  },

  async attribute({ window, selector, name, wanted }) {
    const element = windows.get(window).page.locator(selector).first();
    return until(() => element.getAttribute(name), (value) => wanted === null || value === wanted);
  },

  /** Waits until this many writes are in the page's outbox. */
  async outbox({ window, wanted }) {
    const look = () =>
      windows.get(window).page.evaluate(
        () => Object.keys(localStorage).filter((key) => key.startsWith("outbox/")).length,
      );
    return until(look, (count) => count === wanted);
  },

  /** Pretends that the user looks at another tab, or comes back. */
  async look({ window, visible }) {
    await windows.get(window).page.evaluate((state) => {
      Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, visible ? "visible" : "hidden");
  },

  /** `redraws`: the page draws itself before it is told, a frame later, that somebody scrolls. */
  async scroll({ window, selector, to, redraws }) {
    await windows.get(window).page.locator(selector).evaluate((element, [end, isDrawn]) => {
      element.scrollTop = end === "top" ? 0 : element.scrollHeight;
      if (isDrawn) document.dispatchEvent(new Event("visibilitychange"));
    }, [to, redraws]);
  },

  /** What the window has seen so far: see `Window`. */
  async seen({ window }) {
    const { addresses, complaints, offsets } = windows.get(window);
    return { addresses: [...addresses], complaints, offsets };
  },

  /** Pixels by which anything that can be seen is out of the window, to the left or the right. */
  async overflow({ window }) {
    return windows.get(window).page.evaluate(() =>
      Math.max(
        document.body.scrollWidth - innerWidth,
        ...[...document.querySelectorAll("#app *, dialog[open] *, :popover-open *")]
          .filter((element) => element.checkVisibility() && !element.closest(".visually-hidden"))
          .map((element) => element.getBoundingClientRect())
          .map(({ left, right }) => Math.ceil(Math.max(-left, right - innerWidth))),
      ),
    );
  },

  async screenshot({ window, path }) {
    await windows.get(window).page.screenshot({ path });
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { call, ...details } = JSON.parse(line);
  let answer;
  try {
    answer = { result: (await calls[call](details)) ?? null };
  } catch (error) {
    const complaints = windows.get(details.window)?.complaints ?? [];
    answer = { error: [error.message, ...complaints].join("\n") };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();

/** Tells the hub whether this window is used: active, in the background, or left alone. */

const IDLE_MS = 5 * 60_000;
const LOOK_EVERY_MS = 30_000;

/** Answers a function to be called after each connect: a new connection counts as active. */
export function tellPresence(call) {
  let usedAt = Date.now();
  let told = "active";

  function tell() {
    const visible = document.visibilityState === "visible";
    const state = !visible ? "background" : Date.now() - usedAt > IDLE_MS ? "away" : "active";
    if (state === told) return;
    const before = told;
    told = state;
    call("presence.set", { state }).catch(() => (told = before));
  }

  function used() {
    usedAt = Date.now();
    if (told !== "active") tell();
  }

  for (const event of ["pointermove", "pointerdown", "keydown"]) addEventListener(event, used);
  document.addEventListener("visibilitychange", tell);
  setInterval(tell, LOOK_EVERY_MS);
  return () => {
    told = "active";
    tell();
  };
}

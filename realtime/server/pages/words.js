/** Numbers and times as people say them. */

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, {
  weekday: "long",
  day: "numeric",
  month: "long",
});
const date = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

/** "1 reply", "2 replies". */
export function counted(number, one, many = `${one}s`) {
  return `${number} ${number === 1 ? one : many}`;
}

/** "Today", "Yesterday", or the date. */
export function dayOf(at) {
  const day = calendar.format(at);
  if (day === calendar.format(Date.now())) return "Today";
  return day === calendar.format(Date.now() - 86_400_000) ? "Yesterday" : day;
}

export function timeOf(at) {
  return at ? clock.format(at) : "";
}

/** The time of today, else the date: what fits into a list. */
export function shortly(at) {
  return dayOf(at) === "Today" ? timeOf(at) : date.format(at);
}

/** "just now", "5 min ago", … */
export function ago(at) {
  const minutes = Math.floor((Date.now() - at) / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  return minutes < 24 * 60 ? `${Math.floor(minutes / 60)} h ago` : shortly(at);
}

/** Shows a time in a `<time>`. */
export function showTime(element, at, format = timeOf) {
  element.textContent = at ? format(at) : "";
  if (at) element.dateTime = new Date(at).toISOString();
}

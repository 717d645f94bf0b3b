/** What is open, by the page's address: "#chat:lobby", "#feed", "#feed/bob", or nothing. */

/** `[place, author]`, each "" where it is not there. */
export function address() {
  const [place, author = ""] = location.hash.slice(1).split("/").map(decoded);
  return [place, author];
}

export function go(place, author = "") {
  location.hash = [place, author].filter(Boolean).map(encodeURIComponent).join("/");
}

/** The address of an author's posts, for a link. */
export function postsOf(author) {
  return `#feed/${encodeURIComponent(author)}`;
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // somebody has written it by hand
  }
}

const PAGE = 20;

/** One list of posts, read page by page, the newest first; `read({limit, cursor})` is a call. */
export class Posts {
  hasMore = true;
  end = "~"; // where what has been read ends: a place, by which posts sort in time
  #read; #cursor = "";

  constructor(read) {
    this.#read = read;
  }

  async more() {
    const page = await this.#read({ limit: PAGE, cursor: this.#cursor });
    this.#cursor = page.cursor;
    this.hasMore = page.cursor !== undefined;
    this.end = this.hasMore ? (page.posts.at(-1)?.place ?? this.end) : "";
    return page;
  }
}

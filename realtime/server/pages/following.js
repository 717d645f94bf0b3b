import { Model, paced } from "./model.js";

const AUTHORS_MAX = 200;
const SYNC_EVERY_MS = 1_000;

export const FEEDS = "feed"; // the namespace

/** Whose posts the user follows, and how many of them have not been seen. */
export class Following extends Model {
  authors = [];
  unseen = 0;
  #call;

  constructor(call) {
    super();
    this.#call = (method, params) => call(method, { namespace: FEEDS, ...params });
    this.syncSoon = paced(SYNC_EVERY_MS, () => {
      this.sync().catch(() => {}); // it is made again after the next connect
    });
  }

  async sync() {
    const [{ following }, { unseen }] = await Promise.all([
      this.#call("feed.following", { limit: AUTHORS_MAX }),
      this.#call("feed.timeline", { limit: 1 }),
    ]);
    this.authors = following.map(({ author }) => author);
    this.unseen = unseen;
    this.changed();
  }

  async follow(author) {
    await this.#call("feed.follow", { author });
    await this.sync();
  }

  async unfollow(author) {
    await this.#call("feed.unfollow", { author });
    await this.sync();
  }
}

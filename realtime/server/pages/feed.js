import { entryOf, entryOfCall, fold } from "./events.js";
import { FEEDS } from "./following.js";
import { Model, paced } from "./model.js";
import { Posts } from "./posts.js";
import { explain } from "./retry.js";

const LIVE_MAX = 40; // feeds that are subscribed to at once
const VIEWS_EVERY_MS = 2_000;
const SEEN_EVERY_MS = 1_000;

/**
 * Posts of those whom the user follows, beside the user's own; or, with an `author`, theirs alone.
 *
 * The feeds of what is shown are subscribed to: for edits, deletes, reactions and counters.
 */
export class Feed extends Model {
  loaded = false;
  problem = "";
  seenAt = 0; // posts made until then (ms) had been seen before this was opened
  info = null; // of the author, as `feed.get` has it
  #hub; #sources = []; #posts = new Map(); #live = new Map(); #fresh = new Set();
  #viewed = new Set(); #views = new Map(); #seen = ""; #tellViews; #tellSeen;
  #reading = null; #isStale = false; #isClosed = false;

  constructor(hub, author) {
    super();
    this.#hub = hub;
    this.author = author;
    this.#tellViews = paced(VIEWS_EVERY_MS, () => this.#sendViews());
    this.#tellSeen = paced(SEEN_EVERY_MS, () => {
      this.#call("feed.seen", { place: this.#seen }).catch(() => (this.#seen = "")); // later again
    });
    this.reload();
  }

  #call(method, params) {
    return this.#hub.call(method, { namespace: FEEDS, ...params });
  }

  close() {
    this.#isClosed = true;
    for (const subscription of this.#live.values()) this.#hub.connection.unsubscribe(subscription);
  }

  // Reading.

  /** Reads the newest page; what is shown stays until that is there. */
  async reload() {
    const postsOf = (author) => new Posts((page) => this.#call("feed.posts", { author, ...page }));
    const timeline = new Posts((page) => this.#call("feed.timeline", page));
    this.#sources = this.author ? [postsOf(this.author)] : [timeline, postsOf(this.#hub.me)];
    this.#isStale = true;
    this.#fresh.clear();
    await Promise.all([this.more(), this.author && this.#look()]);
  }

  async #look() {
    this.info = await this.#call("feed.get", { author: this.author }).catch(() => this.info);
    this.changed();
  }

  /** Reads on from where what is shown ends. */
  async more() {
    const sources = this.#sources;
    if (this.#reading === sources) return;
    this.#reading = sources;
    this.changed();
    const due = sources.filter(({ hasMore, end }) => hasMore && end === this.#end);
    try {
      const pages = await Promise.all(due.map((source) => source.more()));
      if (sources !== this.#sources) return;
      if (this.#isStale) this.#posts.clear();
      this.#isStale = false;
      for (const page of pages) {
        if (page.unseen !== undefined) this.seenAt = page.seen_at ?? 0;
        for (const post of page.posts) this.#put(post);
      }
      this.loaded = true;
      this.problem = "";
      this.#subscribe();
    } catch (error) {
      this.problem = explain(error);
    }
    if (sources === this.#sources) this.#reading = null;
    this.changed();
  }

  #put(post) {
    const asOf = this.#live.get(post.channel)?.position?.offset ?? 0;
    this.#posts.set(keyOf(post), { asOf, views: 0, ...post });
  }

  /** What is older than this is not shown yet, for one of the sources may have more of it. */
  get #end() {
    return this.#sources.map(({ end }) => end).sort().at(-1);
  }

  get isLoading() {
    return this.#reading !== null;
  }

  get hasMore() {
    return this.#sources.some(({ hasMore }) => hasMore);
  }

  // Live.

  #subscribe() {
    for (const { channel } of this.#posts.values()) {
      if (this.#isClosed || this.#live.has(channel) || this.#live.size >= LIVE_MAX) continue;
      const take = (publication) => this.#take(channel, publication);
      const handlers = {
        subscribed: ({ publications }) => publications.forEach(take),
        publication: take,
        failed: () => {}, // its posts are missing from the next page, too
      };
      this.#live.set(channel, this.#hub.connection.subscribe(channel, handlers));
    }
  }

  #take(channel, publication) {
    const entry = entryOf(publication, Date.now());
    const { kind, offset, ref, user } = entry;
    if (kind === "counters") this.#count(channel, entry.data.counters);
    else if (kind !== "message") this.#change(channel, ref, (post) => this.#after(post, entry));
    else if (user !== this.#hub.me) this.arrived(channel, offset);
  }

  #after(post, entry) {
    if (entry.offset <= post.asOf) return post;
    return { ...fold(post, entry, this.#hub.me), asOf: entry.offset };
  }

  /** `{"12:views": 34}`: what counters of posts are now, by their offsets. */
  #count(channel, counters) {
    for (const [key, value] of Object.entries(counters)) {
      const [offset, name] = key.split(":");
      this.#change(channel, offset, (post) => ({ ...post, [name]: value }));
    }
  }

  #change(channel, offset, change) {
    const post = this.#posts.get(keyOf({ channel, offset }));
    if (!post) return;
    this.#posts.set(keyOf(post), change(post));
    this.changed();
  }

  /** A post that is not shown yet: by its feed, or by a hint. */
  arrived(channel, offset) {
    this.#fresh.add(keyOf({ channel, offset }));
    this.changed();
  }

  get fresh() {
    return this.#fresh.size;
  }

  // What is shown, with what waits to be sent.

  shown() {
    const { me, outbox } = this.#hub;
    const waiting = outbox.of(FEEDS);
    const posts = [...this.#posts.values()]
      .filter(({ place }) => place >= this.#end)
      .sort((a, b) => (a.place < b.place ? 1 : -1))
      .map((post) =>
        waiting
          .filter(({ params }) => params.author === post.author && params.offset === post.offset)
          .reduce((view, item) => {
            if (item.state === "failed") return { ...view, item };
            return fold(view, entryOfCall(me, item), me);
          }, post),
      );
    const shown = new Set(posts.map(({ client_id }) => client_id));
    const isMine = !this.author || this.author === me;
    const drafts = waiting
      .filter(({ id, method }) => method === "feed.post" && isMine && !shown.has(id))
      .map((item) => ({ ...entryOfCall(me, item), author: me, views: 0, item }));
    return [...drafts.reverse(), ...posts.filter(({ deleted_at }) => !deleted_at)];
  }

  // What the user does.

  /** False when too much is waiting already. */
  post(data) {
    return this.#hub.outbox.add("feed.post", { namespace: FEEDS, data });
  }

  write(verb, { author, offset }, params) {
    return this.#hub.outbox.add(`feed.${verb}`, { namespace: FEEDS, author, offset, ...params });
  }

  react(post, emoji) {
    const { mine = false } = post.reactions?.[emoji] ?? {};
    this.write(mine ? "unreact" : "react", post, { emoji });
  }

  /** The hub has stored a post of this window. */
  sent({ params }, { channel, offset, at, place }) {
    const { me } = this.#hub;
    if (this.author && this.author !== me) return;
    const { data, client_id } = params;
    this.#put({ channel, offset, at, place, author: me, data, client_id });
    this.#subscribe();
    this.changed();
  }

  /** The post is on screen. */
  view(post) {
    if (post.author === this.#hub.me) return;
    if (!this.author && post.place > this.#seen && post.at > this.seenAt) {
      this.#seen = post.place;
      this.#tellSeen();
    }
    if (this.#viewed.has(keyOf(post))) return;
    this.#viewed.add(keyOf(post));
    this.#views.set(post.author, [...(this.#views.get(post.author) ?? []), post.offset]);
    this.#tellViews();
  }

  #sendViews() {
    const views = [...this.#views];
    this.#views.clear();
    for (const [author, offsets] of views) {
      this.#hub.tell("feed.view", { namespace: FEEDS, author, offsets });
    }
  }
}

function keyOf({ channel, offset }) {
  return `${channel}/${offset}`;
}

/** The feed on screen: posts, what can be done with them, and whom one follows. */

import { go } from "./address.js";
import { Composer } from "./composer.js";
import { $, attempt, on, say, showAvatar, showList } from "./elements.js";
import { Feed } from "./feed.js";
import { ask, openEmojis, openMenu } from "./menu.js";
import { showPost } from "./post-item.js";
import { closeSide, openSide, sideOpen } from "./side.js";
import { counted } from "./words.js";

const NEAR_END_PX = 600;
const VIEWED_PART = 0.6; // of a post on screen, that it counts as seen

export class FeedView {
  feed = null;
  #hub; #composer; #views;

  constructor(hub) {
    this.#hub = hub;
    this.#composer = new Composer($("post-composer"), "What is new?", {
      send: (text) => this.feed.post({ text }),
    });
    this.#views = new IntersectionObserver((entries) => this.#viewed(entries), {
      root: $("posts-log"),
      threshold: VIEWED_PART,
    });
    on("posts", "click", ({ target }) => this.#act(target));
    on("posts-log", "scroll", () => this.#readOn());
    on("fresh", "click", () => this.#showFresh());
    on("follow", "click", () => this.#toggleFollow());
    on("show-following", "click", () => this.#toggleFollowing());
    on("follow-user", "submit", () => this.#follow($("follow-name").value.trim()));
    for (const model of [hub.users, hub.outbox, hub.following]) model.watch(() => this.draw());
    document.addEventListener("visibilitychange", () => this.draw());
  }

  /** The timeline, or the posts of one author. */
  open(author) {
    this.close();
    this.feed = new Feed(this.#hub, author);
    this.feed.watch(() => this.draw());
    $("posts").replaceChildren();
    $("feed").hidden = false;
    this.draw();
  }

  close() {
    this.feed?.close();
    this.feed = null;
    this.#views.disconnect();
    $("feed").hidden = true;
    closeSide();
  }

  // Drawing.

  draw() {
    const { feed } = this;
    if (!feed) return;
    const { me } = this.#hub;
    const posts = feed.shown();
    showList($("posts"), this.#rows(posts), ({ template }) => template, (element, row) => {
      if (row.text) element.firstElementChild.textContent = row.text;
      else this.#show(element, row.post);
    });
    $("post-composer").hidden = feed.author !== "" && feed.author !== me;
    $("feed-problem").textContent = feed.problem;
    $("posts-log").querySelector(".loading").hidden = !feed.hasMore || feed.problem !== "";
    $("fresh").hidden = feed.fresh === 0;
    $("fresh").textContent = counted(feed.fresh, "new post");
    this.#drawBar();
    this.#drawEmpty(feed.loaded && !feed.hasMore && posts.length === 0);
    if (sideOpen() === "following") this.#drawFollowing();
    this.#readOn();
  }

  /** The posts, with a line before the first one that has been seen. */
  #rows(posts) {
    const { seenAt, author } = this.feed;
    const isNew = ({ at, author: by }) => at > seenAt && by !== this.#hub.me;
    const line = author || !seenAt || !posts.some(isNew) ? -1 : posts.findLastIndex(isNew) + 1;
    const rows = posts.map((post) => {
      const key = `${post.author}/${post.client_id || post.place}`;
      return { key, template: "post-item", post };
    });
    const text = "You have seen the rest";
    if (line >= 0) rows.splice(line, 0, { key: "line", template: "day-item", text });
    return rows;
  }

  #show(element, post) {
    showPost(element, post, this.#hub);
    if (post.offset !== undefined) this.#views.observe(element);
  }

  #drawBar() {
    const { author, info } = this.feed;
    const { me, users, following } = this.#hub;
    const name = author ? users.name(author) : "Feed";
    const count = following.authors.length;
    const whose = count ? `${counted(count, "author")} and you` : "Your own posts";
    const followers = info ? counted(info.followers ?? 0, "follower") : "";
    showAvatar($("feed-avatar"), name);
    $("feed-avatar").parentElement.hidden = author === "";
    $("feed-name").textContent = author === me ? `${name} (you)` : name;
    $("feed-about").textContent = author ? followers : whose;
    $("following-count").textContent = count || "";
    $("follow").hidden = author === "" || author === me;
    $("follow").textContent = following.authors.includes(author) ? "Unfollow" : "Follow";
    $("follow").classList.toggle("primary", !following.authors.includes(author));
  }

  #drawEmpty(isEmpty) {
    const { author } = this.feed;
    $("feed-empty").hidden = !isEmpty;
    say($("feed-empty"), {
      h2: author ? "No posts yet" : "Your feed is empty",
      p: author ? "What they post is shown here." : "Write the first post, or follow somebody.",
    });
  }

  #drawFollowing() {
    const authors = this.#hub.following.authors.map((author) => ({ key: author }));
    showList($("followed"), authors, () => "person-item", (element, { key: author }) => {
      const name = this.#hub.users.name(author);
      showAvatar(element.querySelector(".avatar"), name);
      say(element, { ".name": name, ".role": "", ".preview": "" });
      const button = element.querySelector("button");
      button.onclick = () => openMenu(button, [
        ["Posts", () => go("feed", author)],
        ["Unfollow", () => attempt($("side-problem"), () => this.#hub.following.unfollow(author))],
      ]);
    });
  }

  // What the user does.

  #viewed(entries) {
    if (document.visibilityState !== "visible") return;
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting) this.feed?.view(target.post);
    }
  }

  #readOn() {
    const { scrollHeight, scrollTop, clientHeight } = $("posts-log");
    const isNear = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    if (isNear && this.feed.hasMore && this.feed.loaded && !this.feed.problem) this.feed.more();
  }

  #act(target) {
    const button = target.closest("[data-action]");
    if (!button) return;
    const { post } = button.closest(".post");
    const react = (emoji) => this.feed.react(post, emoji);
    const menu = [["Edit", () => this.#edit(post)], ["Delete…", () => this.#remove(post), true]];
    const acts = {
      retry: () => this.#hub.outbox.retry(post.item.id),
      drop: () => this.#hub.outbox.drop(post.item.id),
      toggle: () => react(button.dataset.emoji),
      react: () => openEmojis(button, react),
      more: () => openMenu(button, menu),
    };
    acts[button.dataset.action]();
  }

  #edit(post) {
    this.#composer.edit(post.data.text ?? "", (text) => {
      this.feed.write("edit", post, { data: { ...post.data, text } });
    });
  }

  #remove(post) {
    ask({
      title: "Delete this post?",
      text: "It is deleted for everyone, and cannot be brought back.",
      button: "Delete",
      isDangerous: true,
      act: async () => this.feed.write("delete", post),
    });
  }

  #showFresh() {
    $("posts-log").scrollTop = 0;
    this.feed.reload();
  }

  async #toggleFollow() {
    const { following } = this.#hub;
    const { author } = this.feed;
    const verb = following.authors.includes(author) ? "unfollow" : "follow";
    await attempt($("feed-problem"), () => following[verb](author));
    this.feed?.reload();
  }

  #follow(author) {
    attempt($("side-problem"), async () => {
      await this.#hub.following.follow(author);
      $("follow-name").value = "";
      await this.feed?.reload();
    });
  }

  #toggleFollowing() {
    if (sideOpen() === "following") return closeSide();
    openSide("following", "Following");
    this.#drawFollowing();
    $("follow-name").focus();
  }
}

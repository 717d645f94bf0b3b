/** What is shown: whoever watches it is called once per tick in which it changed. */
export class Model {
  #watchers = new Set();
  #due = false;

  /** Answers a function that ends it. */
  watch(watcher) {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  changed() {
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      for (const watcher of [...this.#watchers]) watcher();
    });
  }
}

/** Makes `action` run at once, but at most once per `ms`; the last call is never lost. */
export function paced(ms, action) {
  let timer = null;
  let again = false;
  return function run() {
    again = timer !== null;
    if (again) return;
    timer = setTimeout(() => {
      timer = null;
      if (again) run();
    }, ms);
    action();
  };
}

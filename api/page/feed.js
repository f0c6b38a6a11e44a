// Two lists that are read a page at a time and shown as one, newest first: batches, and articles of no batch.

import { call } from "./net.js";

const PAGE = 20;
const PATHS = { batches: "/v1/batches?", articles: "/v1/jobs?batch_id=none&" };

export class Feed {
  #signal;
  #lists = Object.keys(PATHS).map((kind) => ({ kind, items: new Map(), last: null, more: false }));

  constructor(signal) {
    this.#signal = signal;
  }

  /** Whether there is something older of this kind (`all`: of either). */
  hasMore(kind) {
    return this.#of(kind).some((list) => list.more);
  }

  /** Read the newest of both; what was read before stays. */
  async refresh() {
    await Promise.all(this.#lists.map((list) => this.#read(list, "")));
  }

  /** Read the next page of whatever list ends first. */
  async readOlder(kind) {
    const open = this.#of(kind).filter((list) => list.more);
    const next = open.sort((one, other) => oldestOf(other) - oldestOf(one))[0];
    if (next) await this.#read(next, `&after=${next.last}`);
  }

  /** `[{kind, item}]`, newest first. Where a list goes on, nothing of the other that is older than its end is shown:
   *  what is between them is not known yet.
   */
  list(kind) {
    const lists = this.#of(kind);
    const end = Math.max(...lists.map((list) => (list.more ? oldestOf(list) : -Infinity)));
    return lists
      .flatMap((list) => [...list.items.values()].map((item) => ({ kind: list.kind, item })))
      .filter(({ item }) => item.created_at >= end)
      .sort((one, other) => other.item.created_at - one.item.created_at || (other.item.id > one.item.id ? 1 : -1));
  }

  #of(kind) {
    return this.#lists.filter((list) => kind === "all" || list.kind === kind);
  }

  async #read(list, after) {
    const page = await call(`${PATHS[list.kind]}limit=${PAGE}${after}`, { signal: this.#signal });
    for (const item of page.data) list.items.set(item.id, item);
    if (after || list.last === null) {
      list.last = page.last_id;
      list.more = page.has_more;
    }
  }
}

const oldestOf = (list) => Math.min(...[...list.items.values()].map((item) => item.created_at));

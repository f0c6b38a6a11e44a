// Two lists that are read a page at a time and shown as one, newest first: batches, and articles of no batch.

import { call } from "./net.js";

const PAGE = 20;
const PATHS = { batches: "/v1/batches?", articles: "/v1/jobs?batch_id=none&" };

export class Feed {
  #signal;
  #lists = Object.keys(PATHS).map((kind) => ({ kind, items: new Map(), last: null, more: false, turn: 0 }));

  constructor(signal) {
    this.#signal = signal;
  }

  /** Whether there is something older of this kind (`all`: of either). */
  hasMore(kind) {
    return this.#of(kind).some((list) => list.more);
  }

  /** Read the newest of both; what was read before stays, if nothing unknown lies between. */
  async refresh() {
    await Promise.all(this.#lists.map((list) => this.#readNewest(list)));
  }

  /** Read the next page of whatever list ends first. */
  async readOlder(kind) {
    const open = this.#of(kind).filter((list) => list.more);
    const next = open.sort((one, other) => oldestOf(other) - oldestOf(one))[0];
    if (next) await this.#readAfter(next, next.last);
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

  async #readNewest(list) {
    const turn = (list.turn += 1);
    const page = await this.#read(list, "");
    if (turn !== list.turn) return; // a later one tells what is newer
    const isJoined = page.data.some(({ id }) => list.items.has(id));
    if (page.has_more && isJoined) {
      // Ids are in the order of the list: what was within this page and is not there any more was deleted.
      for (const id of list.items.keys()) if (id > page.last_id) list.items.delete(id);
    } else {
      // It is the whole list, or more have come than a page has: how many lie between is not known.
      Object.assign(list, { items: new Map(), last: page.last_id, more: page.has_more });
    }
    for (const item of page.data) list.items.set(item.id, item);
  }

  async #readAfter(list, last) {
    const page = await this.#read(list, `&after=${last}`);
    if (last !== list.last) return; // the list has begun anew
    for (const item of page.data) list.items.set(item.id, item);
    Object.assign(list, { last: page.last_id, more: page.has_more });
  }

  #read(list, after) {
    return call(`${PATHS[list.kind]}limit=${PAGE}${after}`, { signal: this.#signal });
  }
}

const oldestOf = (list) => Math.min(...[...list.items.values()].map((item) => item.created_at));

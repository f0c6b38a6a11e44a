// Server-sent events that come back. EventSource resends its cursor after a lost connection, but gives up for good when
// a server that is going down, or a proxy before it, answers with an error; then it is opened anew with the cursor.
//
// It can send no key. With one, each opening has a token of its own in its address, which is good for a minute: so it
// is never left to EventSource to come back with an old one.
//
// A browser opens six connections to one host, for all tabs together. So a tab out of sight lets its own go, and goes on
// where it was when it is looked at again.

import { heldKey } from "./key.js";
import { noteFound, noteLost, watchToken } from "./net.js";

const LONGEST_PAUSE_MS = 10000;
const OUT_OF_SIGHT_MS = 15000;

export class Stream {
  #source = null;
  #opening = null;
  #cursor = null;
  #timer = null;
  #pause = 1000;
  #closed = new AbortController();

  /** `handlers`: by event name, called with the parsed data. `onClosed`: nothing is heard for now, because the server
   * refused or because the tab is out of sight; read what must be true all the same. `onUnread`: an event could not be
   * read, so something was told that nobody knows. */
  constructor(path, query, handlers, onClosed = () => {}, onUnread = onClosed) {
    this.path = path;
    this.query = query;
    this.handlers = handlers;
    this.onClosed = onClosed;
    this.onUnread = onUnread;
    document.addEventListener("visibilitychange", () => this.#turn(), { signal: this.#closed.signal });
    this.#turn();
  }

  close() {
    this.#closed.abort();
    this.#release();
  }

  /** Open in sight, closed out of it. */
  #turn() {
    this.#release();
    if (!document.hidden) this.#open();
    else this.#timer = setInterval(this.onClosed, OUT_OF_SIGHT_MS);
  }

  #release() {
    this.#opening?.abort();
    this.#opening = null;
    this.#source?.close();
    this.#source = null;
    clearTimeout(this.#timer); // an interval as well
  }

  async #open() {
    const opening = (this.#opening = new AbortController());
    const query = new URLSearchParams(this.query);
    if (this.#cursor) query.set("last_event_id", this.#cursor);
    const key = heldKey();
    if (key !== null) {
      try {
        query.set("token", await watchToken(this.path.replace(/^\/v1\/|\/events$/g, ""), opening.signal));
      } catch {
        return this.#openLater(opening);
      }
      if (opening !== this.#opening) return;
    }
    const asked = query.toString();
    const source = (this.#source = new EventSource(asked ? `${this.path}?${asked}` : this.path));
    source.onopen = () => {
      this.#pause = 1000;
      noteFound();
    };
    source.onerror = () => {
      if (source !== this.#source) return;
      if (source.readyState !== EventSource.CLOSED) {
        noteLost();
        if (key === null) return;
      }
      source.close();
      this.#openLater(opening);
    };
    for (const [name, handler] of Object.entries(this.handlers)) {
      source.addEventListener(name, (event) => {
        if (source !== this.#source) return;
        if (event.lastEventId) this.#cursor = event.lastEventId;
        const told = parsed(event.data);
        if (told === undefined) this.onUnread();
        else handler(told);
      });
    }
  }

  #openLater(opening) {
    if (opening !== this.#opening) return;
    this.onClosed();
    this.#timer = setTimeout(() => opening === this.#opening && this.#open(), this.#pause);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
  }
}

/** What is told; undefined when it cannot be read: something on its way has damaged it. */
function parsed(data) {
  try {
    return JSON.parse(data);
  } catch {
    return undefined;
  }
}

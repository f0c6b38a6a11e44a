// Server-sent events that come back. EventSource resends its cursor after a lost connection, but gives up for good when
// a server that is going down, or a proxy before it, answers with an error; then it is opened anew with the cursor.

import { noteFound, noteLost } from "./net.js";

const LONGEST_PAUSE_MS = 10000;

export class Stream {
  #source = null;
  #cursor = null;
  #timer = null;
  #pause = 1000;

  /** `handlers`: by event name, called with the parsed data. `onClosed`: the server refused; it is tried again. */
  constructor(path, query, handlers, onClosed = () => {}) {
    this.path = path;
    this.query = query;
    this.handlers = handlers;
    this.onClosed = onClosed;
    this.#open();
  }

  close() {
    this.#source?.close();
    this.#source = null;
    clearTimeout(this.#timer);
  }

  #open() {
    const query = new URLSearchParams(this.query);
    if (this.#cursor) query.set("last_event_id", this.#cursor);
    const asked = query.toString();
    const source = (this.#source = new EventSource(asked ? `${this.path}?${asked}` : this.path));
    source.onopen = () => {
      this.#pause = 1000;
      noteFound();
    };
    source.onerror = () => {
      if (source !== this.#source) return;
      if (source.readyState !== EventSource.CLOSED) return noteLost();
      this.onClosed();
      this.#timer = setTimeout(() => this.#source && this.#open(), this.#pause);
      this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
    };
    for (const [name, handler] of Object.entries(this.handlers)) {
      source.addEventListener(name, (event) => {
        if (source !== this.#source) return;
        if (event.lastEventId) this.#cursor = event.lastEventId;
        handler(JSON.parse(event.data));
      });
    }
  }
}

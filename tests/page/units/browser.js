// What the page's modules need of a browser where they touch no element: enough to run them without one.

/** A storage that keeps what it is given, or one that refuses everything, as browsers do when it is forbidden. */
export function storage({ forbidden = false } = {}) {
  const kept = new Map();
  const refuse = () => {
    throw new DOMException("forbidden", "SecurityError");
  };
  if (forbidden) return { getItem: refuse, setItem: refuse, removeItem: refuse };
  return {
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, value) => kept.set(name, value),
    removeItem: (name) => kept.delete(name),
  };
}

/** An EventSource that a test plays the server for. */
export class PlayedEventSource extends EventTarget {
  static CLOSED = 2;
  /** All that were opened, in order. */
  static opened = [];
  readyState = 0;

  constructor(url) {
    super();
    this.url = url;
    PlayedEventSource.opened.push(this);
  }

  close() {
    this.readyState = PlayedEventSource.CLOSED;
  }

  accept() {
    this.readyState = 1;
    this.onopen();
  }

  send(name, data, lastEventId = "") {
    this.dispatchEvent(Object.assign(new Event(name), { data: JSON.stringify(data), lastEventId }));
  }

  /** The connection is lost, and the browser connects again by itself. */
  lose() {
    this.readyState = 0;
    this.onerror();
  }

  /** The server answered with an error: the browser gives up. */
  refuse() {
    this.readyState = PlayedEventSource.CLOSED;
    this.onerror();
  }
}

/** Set up what the modules find as globals. Import the page's modules only after this. */
export function beABrowser() {
  globalThis.window = Object.assign(new EventTarget(), { localStorage: storage(), sessionStorage: storage() });
  globalThis.document = Object.assign(new EventTarget(), { hidden: false });
  globalThis.EventSource = PlayedEventSource;
}

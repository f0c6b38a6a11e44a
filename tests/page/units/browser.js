// What the page's modules need of a browser, as far as their unit tests go: enough to run them without one.

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

/** An element that keeps what it is given; nothing is laid out or drawn. */
export class PlayedElement extends EventTarget {
  hidden = false;
  open = false;
  textContent = "";
  children = [];

  constructor(tag) {
    super();
    this.tag = tag;
  }

  setAttribute(name, value) {
    if (name === "hidden") this.hidden = true;
    else this[name] = value;
  }

  replaceChildren(...children) {
    this.children = children;
    this.textContent = children.map((child) => child.textContent ?? child).join("");
  }

  click() {
    this.dispatchEvent(new Event("click"));
  }
}

/** The frames that were asked for and not drawn yet. */
const frames = new Map();

/** Draw the next frame, as a browser does many times a second. Returns how many had asked for it. */
export function drawFrame() {
  const asked = [...frames.values()];
  frames.clear();
  for (const draw of asked) draw();
  return asked.length;
}

/** Set up what the modules find as globals. Import the page's modules only after this. */
export function beABrowser() {
  globalThis.window = Object.assign(new EventTarget(), { localStorage: storage(), sessionStorage: storage() });
  globalThis.document = Object.assign(new EventTarget(), {
    hidden: false,
    createElement: (tag) => new PlayedElement(tag),
  });
  let asked = 0;
  globalThis.requestAnimationFrame = (draw) => {
    asked += 1;
    frames.set(asked, draw);
    return asked;
  };
  globalThis.cancelAnimationFrame = (number) => frames.delete(number);
  globalThis.EventSource = PlayedEventSource;
}

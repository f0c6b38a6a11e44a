// Hash routes: #/, #/new, #/batches/ID, #/jobs/ID, #/search?q=, #/system. Going back finds the page where it was left.

const scrolls = new Map();
let current = location.hash;
let awaited = 0;

/** The route of the address: `{path: [...], query: URLSearchParams}`. */
export function readRoute() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  return { path: path.split("/").filter(Boolean).map(decoded), query: new URLSearchParams(query) };
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a stray percent sign, typed by hand
  }
}

/** Call this at every change of the route, after noting how far the old view was scrolled. */
export function onRoute(show) {
  history.scrollRestoration = "manual";
  // While a view is replaced the page is short for a moment, so the place is noted as one scrolls, not at the end.
  addEventListener("scroll", noteScroll, { passive: true });
  addEventListener("hashchange", () => {
    const place = scrolls.get(location.hash) ?? 0;
    current = location.hash;
    show();
    scrolls.set(current, place);
    awaited = place;
    restoreScroll();
  });
  show();
}

function noteScroll() {
  // A page that is still too short for the place where it was left scrolls by itself; that is no new place.
  if (document.documentElement.scrollHeight - innerHeight < awaited - 1) return;
  awaited = 0;
  scrolls.set(current, scrollY);
}

/** Scroll to where this view was left; a view whose content comes late calls it when it is there. */
export function restoreScroll() {
  const place = scrolls.get(current) ?? 0;
  scrollTo({ top: place, behavior: "instant" });
}

/** Go to a route. */
export function go(hash) {
  location.hash = hash;
}

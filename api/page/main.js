// The composition root of the page: the masthead, the state of the network, and one view at a time.

import { wireAccount } from "./account.js";
import { put, say } from "./dom.js";
import { keepTimes } from "./format.js";
import { fillWords, wireLanguage, wireTheme } from "./masthead.js";
import { net } from "./net.js";
import { onRoute, readRoute } from "./router.js";
import { wireShortcuts } from "./shortcuts.js";
import { batchView } from "./view_batch.js";
import { homeView } from "./view_home.js";
import { jobView } from "./view_job.js";
import { missingView } from "./view_missing.js";
import { newView } from "./view_new.js";
import { searchView } from "./view_search.js";
import { systemView } from "./view_system.js";
import { t } from "./words.js";

const LOST_MS = 1200;

let view = null;

/** The view that is shown: `{title, node, close()}`, and what else it has to show of itself. */
export const shownView = () => view;

function makeView({ path: [room, id, ...rest], query }) {
  if (room === undefined) return homeView();
  if (rest.length === 0 && id !== undefined) {
    if (room === "batches") return batchView(id);
    if (room === "jobs") return jobView(id);
  }
  if (id === undefined && room === "new") return newView();
  if (id === undefined && room === "system") return systemView();
  if (id === undefined && room === "search") return searchView(query);
  return missingView();
}

function show() {
  const first = view === null;
  view?.close?.();
  view = makeView(readRoute());
  const main = put(document.getElementById("main"), view.node);
  nameView();
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === (location.hash.split("?")[0] || "#/")) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  // The first view leaves the focus where the browser has it; each later one begins at its heading.
  const heading = main.querySelector("h1");
  heading?.setAttribute("tabindex", "-1");
  if (!first) heading?.focus({ preventScroll: true });
}

function nameView() {
  document.title = `${view.title()} · Longhand`;
}

function showNetwork() {
  const banner = document.getElementById("lost");
  let timer = null;
  net.addEventListener("lost", () => {
    // A stream that a proxy ends comes back at once; that is not worth a word.
    timer = setTimeout(() => {
      banner.textContent = t("net.lost");
    }, LOST_MS);
  });
  net.addEventListener("found", () => {
    clearTimeout(timer);
    if (banner.textContent) say(t("net.back"));
    banner.textContent = "";
  });
}

function wireSkip(link) {
  link.addEventListener("click", (event) => {
    // Its address is no route: followed, it would take the view away.
    event.preventDefault();
    document.getElementById("main").focus();
  });
}

fillWords();
wireLanguage(document.getElementById("page-language"));
wireTheme(document.getElementById("theme"));
wireShortcuts(shownView);
wireSkip(document.querySelector(".skip"));
showNetwork();
wireAccount(document.getElementById("account"));
onRoute(show);
document.getElementById("main").addEventListener("renamed", nameView);
keepTimes();

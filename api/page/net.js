// Requests to the API, and whether it can be reached. What fails is said in words where it happened; a lost network
// is said once, at the top, and heals by itself.

import { askForKey, heldKey, keyHeaders } from "./key.js";
import { t } from "./words.js";

const PROBE_MS = 2000;
const PROBE_TIMEOUT_MS = 10000;

/** Tells `lost` and `found`. */
export const net = new EventTarget();
let isLost = false;
let timer = null;

/** A refusal of the API, or a failure to reach it (`status` 0). */
class ApiError extends Error {
  constructor(status, message, { code = null, param = null } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.param = param;
  }
}

/** Note that the API was not reached, and look for it until it is. */
export function noteLost() {
  if (isLost) return;
  isLost = true;
  net.dispatchEvent(new Event("lost"));
  timer = setTimeout(probe, PROBE_MS);
}

/** Note that the API has answered. */
export function noteFound() {
  if (!isLost) return;
  isLost = false;
  net.dispatchEvent(new Event("found"));
}

async function probe() {
  clearTimeout(timer);
  if (!isLost) return;
  try {
    // A network that swallows what is sent would let it wait for minutes.
    const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS);
    if ((await fetch("/healthz", { cache: "no-store", signal })).ok) return noteFound();
  } catch {
    // still away
  }
  clearTimeout(timer);
  timer = setTimeout(probe, PROBE_MS);
}
window.addEventListener("online", probe);

/** Call this when the network is back and when this tab is looked at again, until `signal` aborts. */
export function onReturn(look, signal) {
  net.addEventListener("found", () => look(), { signal });
  document.addEventListener("visibilitychange", () => document.hidden || look(), { signal });
}

/** Send JSON, or a form with a file; resolves to the parsed JSON. Rejects with `ApiError`. Without `asksForKey`, a 401 is
 *  one as well.
 */
export async function call(path, options) {
  const response = await answer(path, options);
  try {
    return await response.json();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new ApiError(response.status, t("net.unread"));
  }
}

/** GET a text, every byte of it: `Response.text()` would drop a byte order mark. */
export async function callText(path, { signal } = {}) {
  const response = await answer(path, { signal });
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(await response.arrayBuffer());
}

/** GET a file as a blob, and the name that the server gives it, or null. */
export async function callFile(path) {
  const response = await answer(path);
  const named = /filename\*=utf-8''([^;]+)/.exec(response.headers.get("content-disposition") ?? "");
  return { file: await response.blob(), named: named && decodeURIComponent(named[1]) };
}

/** A token that opens the events of one channel (`jobs/ID`, `batches/ID`) for a minute. */
export async function watchToken(channel, signal) {
  return (await call("/v1/watch_tokens", { method: "POST", body: { channel }, signal })).token;
}

async function answer(path, { method = "GET", body, headers = {}, signal, asksForKey = true } = {}) {
  const key = heldKey();
  const isJson = body !== undefined && !(body instanceof FormData);
  let response;
  try {
    response = await fetch(path, {
      method,
      signal,
      cache: "no-store",
      headers: { ...(isJson ? { "content-type": "application/json" } : {}), ...keyHeaders(), ...headers },
      body: isJson ? JSON.stringify(body) : body,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    noteLost();
    const isRead = method === "GET";
    throw new ApiError(0, t(isRead ? "net.away.read" : "net.away"));
  }
  noteFound();
  if (response.ok) return response;
  // Nothing was done without a key, so it may be asked again with one.
  if (response.status === 401 && asksForKey && (await askForKey(key))) return answer(path, { method, body, headers, signal });
  let told;
  try {
    told = (await response.json()).error;
  } catch {
    told = null; // a proxy's page, not the API's answer
  }
  throw new ApiError(
    response.status,
    told?.message ?? t("net.answered", { status: response.status, text: response.statusText }),
    told ?? {},
  );
}

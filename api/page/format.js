// Numbers, times and durations in words.

import { locale, t } from "./words.js";

/** The words for a young time change every second. */
const TICK_MS = 1000;
const WHOLE = new Intl.NumberFormat(locale);
const SHORT = new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 });
const RATE = new Intl.NumberFormat(locale, { maximumSignificantDigits: 2 });
const MOMENT = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat(locale, { timeStyle: "medium" });
const AGO = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
const UNITS = [
  [60, "second", 1],
  [3600, "minute", 60],
  [86400, "hour", 3600],
  [604800, "day", 86400],
  [2629800, "week", 604800],
  [31557600, "month", 2629800],
  [Infinity, "year", 31557600],
];

export const number = (value) => (value === null || value === undefined ? t("unknown") : WHOLE.format(value));
export const short = (value) => (value < 10000 ? WHOLE.format(value) : SHORT.format(value));
export const rate = (value) => RATE.format(value);

/** How long ago Unix seconds are: "3 minutes ago". */
function ago(seconds, now = Date.now() / 1000) {
  const distance = seconds - now;
  if (Math.abs(distance) < 5) return t(distance > 0 ? "time.soon" : "time.now");
  const [, unit, size] = UNITS.find(([end]) => Math.abs(distance) < end);
  // Chinese puts a space between a number and a word, as everywhere on the page.
  return AGO.format(Math.trunc(distance / size), unit).replace(/(\d)(?=\p{Script=Han})/u, "$1 ");
}

/** A duration in seconds: "42 s", "3 min 20 s", "2 h 5 min". */
export function duration(seconds) {
  if (seconds < 9.95) return t("duration.s", { s: RATE.format(Math.max(0, seconds)) });
  const whole = Math.round(seconds);
  const [days, hours, minutes] = [86400, 3600, 60].map((unit) => Math.floor(whole / unit));
  if (whole < 60) return t("duration.s", { s: whole });
  if (whole < 3600) return t(whole % 60 ? "duration.min_s" : "duration.min", { min: minutes, s: whole % 60 });
  if (whole < 172800) return t("duration.h_min", { h: hours, min: minutes % 60 });
  return t("duration.d_h", { d: days, h: hours % 24 });
}

/** A `<time>` that says how long ago, with the exact moment as its title. `keepTimes` keeps it true. */
export function time(seconds) {
  const made = document.createElement("time");
  made.dateTime = new Date(seconds * 1000).toISOString();
  made.title = MOMENT.format(new Date(seconds * 1000));
  made.dataset.at = String(seconds);
  made.textContent = ago(seconds);
  return made;
}

/** The same of what is to come: when its time has passed, it is due, and not a moment ago. */
export function timeToCome(seconds) {
  const made = time(seconds);
  made.dataset.toCome = "";
  made.textContent = words(made);
  return made;
}

/** A time of day, for what is to come soon: "12:03:20". */
export const clock = (seconds) => CLOCK.format(new Date(seconds * 1000));

/** Bring every `<time>` on the page up to date as time passes. */
export function keepTimes() {
  setInterval(() => document.hidden || tickTimes(), TICK_MS);
}

function tickTimes() {
  for (const made of document.querySelectorAll("time[data-at]")) {
    const now = words(made);
    if (made.textContent !== now) made.textContent = now;
  }
}

/** What a `<time>` says now. */
function words(made) {
  const seconds = Number(made.dataset.at);
  const isDue = made.dataset.toCome !== undefined && seconds <= Date.now() / 1000;
  return isDue ? t("time.due") : ago(seconds);
}

/** The language a text seems to be in, so that the right fonts and voices are taken; null when it is not clear. */
export function languageOf(text) {
  const start = text.slice(0, 500);
  if (/[\u3040-\u30ff]/.test(start)) return "ja";
  if (/[\uac00-\ud7af]/.test(start)) return "ko";
  return /[\u4e00-\u9fff]/.test(start) ? "zh" : null;
}

/** Roughly how many tokens a text has, for as long as nobody has counted: four Latin letters make one, three
 *  Chinese characters two, and any other one.
 */
export function guessTokens(text) {
  let [chinese, others] = [0, 0];
  for (let place = 0; place < text.length; place += 1) {
    const code = text.charCodeAt(place);
    if (code >= 0x3400 && code <= 0x9fff) chinese += 1;
    else if (code > 0x2e7f) others += 1;
  }
  return others + (chinese * 2) / 3 + (text.length - chinese - others) / 4;
}

/** A text without the marks of Markdown, for a glance. */
export function plain(text) {
  return text
    .replace(/\*\*|__|`/g, "")
    .replace(/!?\[([^\]\n]{1,200})\]\((?:[^()\n]|\([^()\n]{0,200}\)){0,500}\)/g, "$1")
    .replace(/(^|[\s(])([*_])(\S(?:[^*_\n]{0,200}\S)?)\2(?=[\s).,;:!?]|$)/gm, "$1$3")
    .replace(/^[ \t]*(?:#{1,6}|>|[-*+])[ \t]+/gm, "")
    .replace(/\n\s*\n/g, "\n");
}

// The one way in which the page gets its sentences: from the catalogue of its language, by key, with values.

// Chosen by early.js, before the first paint.
const html = globalThis.document?.documentElement;

/** The language of the page: `en` or `zh`. */
export const language = html?.lang?.startsWith("zh") ? "zh" : "en";

/** What numbers and times are written by. English has many ways; the browser knows which one is meant. */
export const locale =
  language === "zh" ? "zh-CN" : (globalThis.navigator?.languages?.find((one) => /^en\b/.test(one)) ?? "en");

// Only the catalogue that is needed is read.
const { WORDS } = await import(`./words_${language}.js`);
const PLURALS = new Intl.PluralRules(locale);
const WHOLE = new Intl.NumberFormat(locale);

/** The words for `key`. `{name}` stands for a value; of `{one, other}` the value of `count` chooses. */
export function t(key, values = {}) {
  return pieces(key, values).join("");
}

/** As `t`, where a value may be an element: strings and elements, in the order of the sentence. */
export function pieces(key, values = {}) {
  const found = WORDS[key];
  if (found === undefined) throw new Error(`no words for ${key}`);
  const words = typeof found === "string" ? found : (found[PLURALS.select(values.count)] ?? found.other);
  const parts = words.split(/\{(\w+)\}/);
  return parts.map((part, at) => (at % 2 ? shown(values[part]) : part)).filter((part) => part !== "");
}

const shown = (value) => (typeof value === "number" ? WHOLE.format(value) : (value ?? ""));

/** Whether the catalogue has this key. */
export const has = (key) => Object.hasOwn(WORDS, key);

/** The words for a value that has some; a value of a later version stands for itself. */
export const wordFor = (kind, value) => (has(`${kind}.${value}`) ? t(`${kind}.${value}`) : value);

// The one way in which the page gets its sentences: from a catalogue, by key, with values.

import { WORDS } from "./words_en.js";

const PLURALS = new Intl.PluralRules("en");
const WHOLE = new Intl.NumberFormat();

/** The words for `key`. `{name}` stands for a value; of `{one, other}` the value of `count` chooses. */
export function t(key, values = {}) {
  const found = WORDS[key];
  if (found === undefined) throw new Error(`no words for ${key}`);
  const words = typeof found === "string" ? found : found[PLURALS.select(values.count)];
  return words.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === "number" ? WHOLE.format(value) : String(value);
  });
}

/** Whether the catalogue has this key. */
export const has = (key) => Object.hasOwn(WORDS, key);

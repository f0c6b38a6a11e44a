// How the model is to write: which one, from a list of what the upstreams have, and what is set for every prompt.

import { el, field, put } from "./dom.js";
import { call } from "./net.js";
import { t } from "./words.js";

const NUMBERS = { temperature: { min: "0", max: "2", step: "0.1" }, max_tokens: { min: "1", step: "1" } };

/** Offer the models of all upstreams in this field, once somebody comes to it. Without an answer it is a plain field. */
export function offerModels(input, signal) {
  const list = el("datalist", { id: "models" });
  input.setAttribute("list", list.id);
  const read = async () => {
    try {
      const { data } = await call("/v1/models", { signal, asksForKey: false });
      put(list, ...data.map(({ id }) => el("option", { value: id })));
    } catch {
      // No key yet, or the upstream has no list or cannot be reached: one types the name.
    }
  };
  input.addEventListener("focus", read, { once: true });
  return list;
}

/** The fields. `values()` is what is typed, for a draft; `read()` gives `{system, body}` or `{fault, at}`. */
export function modelSettings(draft, changed) {
  const system = el("textarea", { id: "system", rows: "3", value: draft.system, oninput: changed });
  const numbers = Object.entries(NUMBERS).map(([name, bounds]) => [
    name,
    el("input", { id: name, type: "number", inputmode: "decimal", value: draft[name], oninput: changed, ...bounds }),
  ]);
  const onLength = el("input", { id: "on_length", type: "checkbox", checked: draft.onLength === true, onchange: changed });
  const values = () => ({
    system: system.value,
    onLength: onLength.checked,
    ...Object.fromEntries(numbers.map(([name, input]) => [name, input.value])),
  });
  const isUsed = Object.values(values()).some(Boolean);
  return {
    values,
    read() {
      const wrong = numbers.find(([, input]) => !input.checkValidity());
      if (wrong) return { fault: t(`settings.${wrong[0]}.fault`), at: wrong[1] };
      const set = numbers.filter(([, input]) => input.value !== "");
      const body = Object.fromEntries(set.map(([name, input]) => [name, input.valueAsNumber]));
      if (onLength.checked) body.on_length = "continue";
      return { system: system.value.trim() ? [{ role: "system", content: system.value }] : [], body };
    },
    node: el(
      "details",
      { class: "settings", open: isUsed },
      el("summary", {}, t("settings.title")),
      field("system", t("settings.system"), system),
      el("div", { class: "fields" }, ...numbers.map(([name, input]) => field(name, t(`settings.${name}`), input))),
      el("p", { class: "field" }, el("label", { for: "on_length" }, onLength, ` ${t("settings.on_length")}`)),
    ),
  };
}

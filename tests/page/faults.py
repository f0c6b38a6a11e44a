"""Scripts that look at a view for what some of its readers would stumble over."""

# What assistive technology must find: a name for everything one can use, headings in order, landmarks, one h1.
FAULTS = """() => {
  const faults = [];
  const visible = (e) => e.checkVisibility();
  const named = (e) => (e.getAttribute("aria-label") || e.textContent || "").trim() || e.labels?.length || e.title;
  for (const e of document.querySelectorAll("a, button, input, select, textarea, [role=progressbar], [role=region]")) {
    if (visible(e) && !named(e)) faults.push(`no name: ${e.outerHTML.slice(0, 100)}`);
  }
  for (const e of document.querySelectorAll("input, select, textarea")) {
    if (visible(e) && !e.labels.length && !e.getAttribute("aria-label")) faults.push(`no label: ${e.outerHTML}`);
  }
  let level = 0;
  for (const e of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
    if (!visible(e) && !e.classList.contains("unseen")) continue;
    const next = Number(e.tagName[1]);
    if (next > level + 1) faults.push(`heading ${e.tagName} "${e.textContent}" after level ${level}`);
    level = next;
  }
  if (document.querySelectorAll("h1").length !== 1) faults.push("not one h1");
  for (const tag of ["main", "nav", "header", "footer"]) if (!document.querySelector(tag)) faults.push(`no ${tag}`);
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  if (new Set(ids).size !== ids.length) faults.push(`an id twice: ${ids}`);
  if (document.querySelector(".card-text[aria-live], .article[aria-live]")) faults.push("streaming text is announced");
  if (!document.documentElement.lang) faults.push("no language");
  return faults;
}"""


# The contrast of every visible text with the ground that it stands on.
FAINT = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const rgb = (color) => {
    if (known.has(color)) return known.get(color);
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    known.set(color, [...canvas.getImageData(0, 0, 1, 1).data]);
    return known.get(color);
  };
  const light = ([r, g, b]) => {
    const [R, G, B] = [r, g, b].map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * R + 0.7152 * G + 0.0722 * B;
  };
  const ground = (e) => {
    for (let at = e; at; at = at.parentElement) {
      const color = rgb(getComputedStyle(at).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.checkVisibility() || e.closest(".unseen, .skip, [disabled]")) continue;
    const [one, two] = [light(rgb(getComputedStyle(e).color)), light(ground(e))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (two + 0.05);
    if (ratio < 4.5) faint.push(`${ratio.toFixed(2)} ${e.tagName}.${e.className} "${e.textContent.slice(0, 30)}"`);
  }
  return faint;
}"""

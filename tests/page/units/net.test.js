import assert from "node:assert/strict";
import { test } from "node:test";

import { beABrowser, storage } from "./browser.js";

beABrowser();
const { call, callText, net } = await import("../../../api/page/net.js");
const { recall, remember } = await import("../../../api/page/kept.js");

const answering = (t, ...answers) =>
  t.mock.method(globalThis, "fetch", async () => {
    const next = answers.shift();
    if (next instanceof Error) throw next;
    return next;
  });

test("a body is sent as JSON, a form as it is", async (t) => {
  const fetched = answering(t, Response.json({ ok: 1 }), Response.json({ ok: 2 }));
  assert.deepEqual(await call("/v1/jobs", { method: "POST", body: { model: "m" } }), { ok: 1 });
  const form = new FormData();
  assert.deepEqual(await call("/v1/files", { method: "POST", body: form }), { ok: 2 });
  const [json, file] = fetched.mock.calls.map(({ arguments: [, options] }) => options);
  assert.deepEqual([json.body, json.headers], ['{"model":"m"}', { "content-type": "application/json" }]);
  assert.deepEqual([file.body, file.headers], [form, {}]);
});

test("a refusal has the API's words, its status and its parameter", async (t) => {
  answering(t, Response.json({ error: { message: "no such model", param: "model" } }, { status: 400 }));
  await assert.rejects(call("/v1/jobs"), { message: "no such model", status: 400, param: "model" });
});

test("a proxy's page is not quoted", async (t) => {
  answering(t, new Response("<h1>Bad Gateway</h1>", { status: 502, statusText: "Bad Gateway" }));
  await assert.rejects(call("/v1/jobs"), { message: "The server answered 502 Bad Gateway.", status: 502 });
});

test("a text keeps its byte order mark", async (t) => {
  answering(t, new Response("\ufeffbees"));
  assert.equal(await callText("/v1/jobs/job_1/text"), "\ufeffbees");
});

test("a lost network is told once, looked for, and told when it is back", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const told = [];
  for (const name of ["lost", "found"]) net.addEventListener(name, () => told.push(name));
  const away = () => new TypeError("fetch failed");
  const fetched = answering(t, away(), away(), away(), new Response("", { status: 200 }));
  await assert.rejects(call("/v1/jobs"), { status: 0 });
  await assert.rejects(call("/v1/jobs"), { status: 0 });
  assert.deepEqual(told, ["lost"]);
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  t.mock.timers.tick(2000);
  await settled();
  assert.deepEqual(told, ["lost"], "the first look did not reach it");
  t.mock.timers.tick(2000);
  await settled();
  assert.deepEqual(told, ["lost", "found"]);
  assert.equal(fetched.mock.calls.at(-1).arguments[0], "/healthz");
});

test("a request that was taken back is no lost network", async (t) => {
  const told = [];
  net.addEventListener("lost", () => told.push("lost"), { once: true });
  answering(t, new DOMException("aborted", "AbortError"));
  await assert.rejects(call("/v1/jobs"), { name: "AbortError" });
  assert.deepEqual(told, []);
});

test("a browser that remembers nothing costs nothing but that", () => {
  remember("theme", "dark");
  assert.equal(recall("theme"), "dark");
  remember("theme", null);
  assert.equal(recall("theme"), null);
  window.localStorage = storage({ forbidden: true });
  remember("theme", "dark");
  assert.equal(recall("theme"), null);
});

test("an answer that is no JSON is said in words", async (t) => {
  answering(t, new Response('{"logprob":NaN}', { status: 200 }));
  await assert.rejects(call("/v1/jobs/job_1"), { message: "The server's answer is damaged and cannot be read.", status: 200 });
});

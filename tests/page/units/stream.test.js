import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { PlayedEventSource, beABrowser } from "./browser.js";

beABrowser();
const { Stream } = await import("../../../api/page/stream.js");
const { opened } = PlayedEventSource;

beforeEach(() => {
  opened.length = 0;
  document.hidden = false;
});

function hide(hidden) {
  document.hidden = hidden;
  document.dispatchEvent(new Event("visibilitychange"));
}

test("events reach their handlers, parsed", (t) => {
  const heard = [];
  const stream = new Stream("/v1/jobs/job_1/events", { deltas: "true" }, { delta: (data) => heard.push(data) });
  t.after(() => stream.close());
  assert.equal(opened[0].url, "/v1/jobs/job_1/events?deltas=true");
  opened[0].accept();
  opened[0].send("delta", { text: "a" }, "7");
  opened[0].send("unknown", {}, "8");
  assert.deepEqual(heard, [{ text: "a" }]);
});

test("a lost connection is left to the browser", (t) => {
  const stream = new Stream("/events", {}, {});
  t.after(() => stream.close());
  opened[0].accept();
  opened[0].lose();
  assert.equal(opened.length, 1);
  assert.notEqual(opened[0].readyState, PlayedEventSource.CLOSED);
});

test("after a refusal the stream is opened anew with its cursor, each time later", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let closed = 0;
  const stream = new Stream("/events", {}, { delta() {} }, () => (closed += 1));
  t.after(() => stream.close());
  opened[0].accept();
  opened[0].send("delta", {}, "12:3");
  const pauses = [1000, 2000, 4000, 8000, 10000, 10000];
  for (const [turn, pause] of pauses.entries()) {
    opened.at(-1).refuse();
    assert.equal(closed, turn + 1, "the view is told, so that it can read what is missing");
    t.mock.timers.tick(pause - 1);
    assert.equal(opened.length, turn + 1);
    t.mock.timers.tick(1);
    assert.equal(opened.length, turn + 2);
    assert.equal(opened.at(-1).url, "/events?last_event_id=12%3A3");
  }
  opened.at(-1).accept();
  opened.at(-1).refuse();
  t.mock.timers.tick(1000);
  assert.equal(opened.length, pauses.length + 2, "one that was accepted starts the pauses over");
});

test("a tab out of sight gives its connection back, and goes on where it was", (t) => {
  const heard = [];
  const stream = new Stream("/events", {}, { delta: (data) => heard.push(data) });
  t.after(() => stream.close());
  opened[0].accept();
  opened[0].send("delta", 1, "5");
  hide(true);
  assert.equal(opened[0].readyState, PlayedEventSource.CLOSED);
  opened[0].send("delta", 2, "6");
  hide(false);
  assert.equal(opened[1].url, "/events?last_event_id=5");
  opened[1].send("delta", 2, "6");
  assert.deepEqual(heard, [1, 2], "what an old connection still said is not heard");
});

test("a closed stream is never opened again", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  const stream = new Stream("/events", {}, {});
  opened[0].refuse();
  stream.close();
  t.mock.timers.tick(60_000);
  hide(true);
  hide(false);
  assert.equal(opened.length, 1);
});

test("an event that cannot be read costs only itself, and the view is told of it", (t) => {
  const heard = [];
  let unread = 0;
  const stream = new Stream(
    "/events",
    {},
    { jobs: (data) => heard.push(data) },
    () => assert.fail("the connection is there"),
    () => (unread += 1),
  );
  t.after(() => stream.close());
  opened[0].accept();
  opened[0].dispatchEvent(Object.assign(new Event("jobs"), { data: '{"logprob":NaN}', lastEventId: "7" }));
  assert.deepEqual([heard, unread], [[], 1]);
  opened[0].send("jobs", { jobs: [] }, "8");
  assert.deepEqual([heard, unread], [[{ jobs: [] }], 1]);
  assert.notEqual(opened[0].readyState, PlayedEventSource.CLOSED);
});

// The npm package `openai`: node openai_node.mjs URL.
import assert from "node:assert/strict";
import http from "node:http";
import OpenAI, { toFile } from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

const model = "gpt-4o-mini";
const client = new OpenAI({ timeout: 60_000 });

const listed = await client.models.list();
assert.equal((await client.models.retrieve(listed.data[0].id)).id, model);

const messages = [{ role: "user", content: "tea" }];
const whole = await client.chat.completions.create({ model, messages });
assert.equal(whole.choices[0].message.content, "1 messages, the last: tea");
let told = "";
for await (const chunk of await client.chat.completions.create({ model, messages, stream: true })) {
  told += chunk.choices[0]?.delta?.content ?? "";
}
assert.equal(told, "1 messages, the last: tea");

const first = await client.responses.create({ model, input: "think of tea" });
assert.deepEqual(first.output.map((item) => item.type), ["reasoning", "message"]);
const items = [];
for await (const item of client.responses.inputItems.list(first.id)) items.push(item);
assert.equal(items.length, 1);
const second = await client.responses.create({ model, previous_response_id: first.id, input: "more" });
assert.equal(second.output_text, "3 messages, the last: more");
const City = z.object({ name: z.string(), population: z.number() });
const parsed = await client.responses.parse({ model, input: "Paris", text: { format: zodTextFormat(City, "city") } });
assert.deepEqual(parsed.output_parsed, { name: "Paris", population: 7 });
const stream = client.responses.stream({ model, input: "think of tea" });
assert.equal((await stream.finalResponse()).output_text, "1 messages, the last: think of tea");

const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };
const weather = { name: "weather", strict: true, parameters };
const runner = client.chat.completions.runTools({
  model,
  messages: [{ role: "user", content: "call weather" }],
  stream: true,
  tools: [{ type: "function", function: { ...weather, parse: JSON.parse, function: ({ city }) => `18 degrees in ${city}` } }],
});
assert.equal(await runner.finalContent(), "3 messages, the last: 18 degrees in Paris");
const called = await client.responses.create({ model, input: "call weather", tools: [{ type: "function", ...weather }] });
assert.deepEqual(JSON.parse(called.output.at(-1).arguments), { city: "Paris" });

for (const [endpoint, body] of [["/v1/chat/completions", { model, messages }], ["/v1/responses", { model, input: "tea" }]]) {
  const line = JSON.stringify({ custom_id: "a", method: "POST", url: endpoint, body });
  const file = await client.files.create({ file: await toFile(Buffer.from(line), "in.jsonl"), purpose: "batch" });
  let batch = await client.batches.create({ input_file_id: file.id, endpoint, completion_window: "24h" });
  for (const deadline = Date.now() + 60_000; batch.status === "in_progress" && Date.now() < deadline;) {
    batch = await client.batches.retrieve(batch.id);
  }
  assert.equal(batch.status, "completed");
  const output = JSON.parse(await (await client.files.content(batch.output_file_id)).text());
  assert.equal(output.response.body.object, endpoint.endsWith("responses") ? "response" : "chat.completion");
}

const came = [];
const receiver = http.createServer((request, answer) => {
  let body = "";
  request.on("data", (piece) => (body += piece));
  request.on("end", () => {
    came.push([body, request.headers]);
    answer.writeHead(204).end();
  });
});
await new Promise((ready) => receiver.listen(0, "127.0.0.1", ready));
const endpoint = await client.post("/webhooks", { body: { url: `http://127.0.0.1:${receiver.address().port}/hook` } });
const later = await client.responses.create({ model, input: "tea", background: true });
for (const deadline = Date.now() + 60_000; came.length === 0 && Date.now() < deadline;) {
  await new Promise((go) => setTimeout(go, 50));
}
const [body, headers] = came[0];
const event = await client.webhooks.unwrap(body, headers, endpoint.secret);
assert.equal(event.type, "response.completed");
assert.equal(event.data.id, later.id);
await assert.rejects(client.webhooks.unwrap(body.replace("resp_", "resp-"), headers, endpoint.secret));
await client.delete(`/webhooks/${endpoint.id}`);
receiver.close();
receiver.closeAllConnections();

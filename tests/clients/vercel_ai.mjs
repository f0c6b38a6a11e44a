// The Vercel AI SDK with its defaults, which ask /v1/responses: node vercel_ai.mjs URL.
import assert from "node:assert/strict";
import { createOpenAI, openai } from "@ai-sdk/openai";
import { generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const model = "gpt-4o-mini";

for (const providerOptions of [undefined, { openai: { store: false } }]) {
  const messages = [{ role: "user", content: "think of tea" }];
  const first = await generateText({ model: openai(model), messages, providerOptions });
  assert.equal(first.text, "1 messages, the last: think of tea");
  messages.push(...first.response.messages, { role: "user", content: "more" });
  const second = await generateText({ model: openai(model), messages, providerOptions });
  assert.equal(second.text, "3 messages, the last: more");
}

const schema = z.object({ name: z.string(), population: z.number() });
const made = await generateObject({ model: openai(model), schema, prompt: "Paris" });
assert.deepEqual(made.object, { name: "Paris", population: 7 });

const tools = {
  weather: tool({
    description: "The weather of a city.",
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => `18 degrees in ${city}`,
  }),
};
for (const chosen of [openai(model), createOpenAI().chat(model)]) {
  const steps = { model: chosen, tools, stopWhen: stepCountIs(3), prompt: "call weather" };
  const { text, steps: taken } = await generateText(steps);
  assert.match(text, /^3 messages, the last: .*18 degrees in Paris/);
  assert.equal(taken.length, 2);
  let told = "";
  for await (const piece of streamText({ ...steps, onError: ({ error }) => { throw error; } }).textStream) told += piece;
  assert.equal(told, text);
}

const image = new Uint8Array(Buffer.from("iVBORw0KGgo=", "base64"));
const content = [{ type: "text", text: "What is this?" }, { type: "image", image, mediaType: "image/png" }];
const seen = await generateText({ model: openai(model), messages: [{ role: "user", content }] });
assert.equal(seen.text, "1 messages, the last: What is this? an image");

for (const chosen of [openai(model), createOpenAI().chat(model), createOpenAI().completion(model)]) {
  const stream = streamText({ model: chosen, prompt: "tea", onError: ({ error }) => { throw error; } });
  let told = "";
  for await (const piece of stream.textStream) told += piece;
  assert.match(told, /tea/);
}

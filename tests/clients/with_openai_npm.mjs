// The `openai` package of npm. One line at the end says what was tried.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import OpenAI from "openai";

const url = process.env.UML_URL;
const key = process.env.UML_KEY;
const [model, endless] = ["demo", "endless"];
const question = "How do I load a model?";
const weather = "What is the weather in Paris?";
const said = /^It is 21 degrees and sunny in /;
const client = (maxRetries = 0) => new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries });
const ask = content => [{ role: "user", content }];
const cities = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const getWeather = {
  name: "get_weather",
  description: "Get the current weather in a city",
  parameters: cities
};

async function chat() {
  const answer = await client().chat.completions.create({ model, messages: ask(question), temperature: 0 });
  assert.ok(answer.choices[0].message.content);
  const stream = await client().chat.completions.create({
    model,
    messages: ask(question),
    temperature: 0,
    stream: true,
    stream_options: { include_usage: true }
  });
  const events = [];
  for await (const event of stream) events.push(event);
  const text = events.map(event => event.choices[0]?.delta.content ?? "").join("");
  assert.equal(text, answer.choices[0].message.content);
  assert.equal(events.at(-1).usage.total_tokens, answer.usage.total_tokens);
}

async function tools() {
  for (const stream of [false, true]) {
    const called = [];
    const runner = client().chat.completions.runTools({
      model,
      stream,
      messages: ask(weather),
      temperature: 0,
      tools: [
        {
          type: "function",
          function: {
            ...getWeather,
            parse: JSON.parse,
            function: ({ city }) => {
              called.push(city);
              return '{"temperature": 21, "sky": "sunny"}';
            }
          }
        }
      ]
    });
    assert.match(await runner.finalContent(), said);
    assert.deepEqual(called, ["Paris"]);
  }
}

async function responses() {
  const call = await client().responses.create({
    model,
    input: weather,
    temperature: 0,
    tools: [{ type: "function", strict: false, ...getWeather }]
  });
  const { name, arguments: given, call_id } = call.output.find(item => item.type === "function_call");
  assert.deepEqual([name, JSON.parse(given)], ["get_weather", { city: "Paris" }]);
  const stream = client().responses.stream({
    model,
    previous_response_id: call.id,
    temperature: 0,
    input: [{ type: "function_call_output", call_id, output: '{"temperature": 21, "sky": "sunny"}' }]
  });
  assert.match((await stream.finalResponse()).output_text, said);
}

async function structured() {
  const schema = {
    type: "object",
    properties: { room: { enum: ["kitchen", "office"] }, on: { type: "boolean" } },
    required: ["room", "on"],
    additionalProperties: false
  };
  const answer = await client().chat.completions.parse({
    model,
    messages: ask("Describe a lamp."),
    temperature: 0,
    response_format: { type: "json_schema", json_schema: { name: "lamp", strict: true, schema } }
  });
  const lamp = JSON.parse(answer.choices[0].message.content);
  assert.ok(["kitchen", "office"].includes(lamp.room));
  assert.equal(typeof lamp.on, "boolean");
}

async function embeddings() {
  const { data } = await client().embeddings.create({ model, input: [question, weather] });
  assert.equal(data[0].embedding.length, data[1].embedding.length);
  assert.notDeepEqual(data[0].embedding, data[1].embedding);
}

async function errors() {
  const answer = client().chat.completions.create({ model: "nope", messages: ask(question) });
  await assert.rejects(answer, error => error instanceof OpenAI.NotFoundError && error.param === "model");
}

async function retries() {
  await client().chat.completions.create({ model: endless, messages: ask("Hi"), max_tokens: 1 });
  const killed = kill();
  const answer = await client(3).chat.completions.create({ model: endless, messages: ask("Hi"), max_tokens: 1500 });
  await killed;
  assert.equal(answer.usage.completion_tokens, 1500);
}

/** Kills the worker as soon as it is at work. */
async function kill() {
  for (;;) {
    const answer = await fetch(`${url}/models/${endless}`, { headers: { Authorization: `Bearer ${key}` } });
    const { active, pid } = await answer.json();
    if (active && pid) return process.kill(pid, "SIGKILL");
  }
}

const steps = [chat, tools, responses, structured, embeddings, errors, retries];
for (const step of steps) await step();
const manifest = new URL("node_modules/openai/package.json", import.meta.url);
const { version } = JSON.parse(readFileSync(manifest, "utf8"));
console.log(`openai (npm) ${version}: ${steps.map(step => step.name).join(", ")}`);

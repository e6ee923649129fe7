// What the page says of services that are down, by the gateway's account and by what fails.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Services } from "../../src/voice_gateway/transports/web/services.js";

let now, services, changes;
beforeEach(() => {
  now = changes = 0;
  services = new Services(new URL("http://here/choices"), () => now);
  services.onchange = () => changes++;
});

const fails = (code) =>
  services.take({ type: "response.done", response: { status: "failed", status_details: { error: { code } } } });
const answers = (...output_modalities) =>
  services.take({ type: "response.done", response: { status: "completed", output_modalities } });

test("where all answer there is nothing to say", () => {
  services.told([]);
  assert.deepEqual([services.down, services.trouble, changes], [[], null, 0]);
});

test("a gateway that asks for a key is asked with it, and not again and again without", async () => {
  const shown = [];
  let key = "";
  services.key = () => key;
  globalThis.fetch = async (_, { headers }) => {
    shown.push(headers.Authorization);
    const status = headers.Authorization === "Bearer right" ? 200 : 401;
    return { ok: status === 200, status, json: async () => ({ down: ["tts"] }) };
  };
  for (key of ["", "", "wrong", "wrong", "right", "right"]) await services.ask();
  assert.deepEqual(shown, [undefined, "Bearer wrong", "Bearer right", "Bearer right"]);
  assert.deepEqual(services.down, ["tts"]);
});

test("what the gateway says is down is named, the gravest first, until it says no more", () => {
  services.told(["asr", "tts", "llm"]);
  assert.equal(services.trouble[0], "The language model, the voice and speech recognition do not answer");
  services.told(["asr"]);
  assert.equal(services.trouble[0], "Speech recognition does not answer");
  assert.match(services.trouble[1], /Write below/);
  services.told([]);
  assert.equal(services.trouble, null);
  assert.equal(changes, 3);
});

test("a service that fails is down at once, whatever the gateway still believes", () => {
  fails("llm_unavailable");
  services.told([]);
  assert.deepEqual(services.down, ["llm"]);
  now += 41_000;
  assert.deepEqual(services.down, []);
});

test("it is up again as soon as the gateway has seen it go and come back", () => {
  fails("tts_timed_out");
  services.told(["tts"]);
  services.told([]);
  assert.deepEqual(services.down, []);
});

test("it is up again as soon as it works", () => {
  services.told(["asr", "llm", "tts"]);
  answers("text");
  assert.deepEqual(services.down, ["tts", "asr"]);
  answers("audio");
  services.take({ type: "conversation.item.input_audio_transcription.completed", transcript: "hello" });
  assert.deepEqual(services.down, []);
});

test("recognition that fails is told by an error, and other faults are none of a service", () => {
  services.take({ type: "error", error: { code: "asr_unavailable" } });
  assert.deepEqual(services.down, ["asr"]);
  for (const code of ["invalid_value", "gateway_full", undefined]) services.take({ type: "error", error: { code } });
  fails("llm_empty");
  assert.deepEqual(services.down, ["asr"]);
});

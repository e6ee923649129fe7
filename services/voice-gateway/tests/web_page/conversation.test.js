// What the page shows of a conversation, by the server's events alone.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Conversation } from "../../src/voice_gateway/transports/web/conversation.js";

let talk;
beforeEach(() => (talk = new Conversation()));

const take = (type, values = {}) => talk.take({ type, ...values });
const hear = (text, final = false) => take("gateway.transcript", { text, final });
const shown = () => talk.entries.map(({ who, text, state }) => [who, text, state]);

function ask(text, item = "q1") {
  take("input_audio_buffer.speech_started", { item_id: item });
  hear(text, true);
  take("input_audio_buffer.speech_stopped", { item_id: item });
  take("input_audio_buffer.committed", { item_id: item });
  take("conversation.item.input_audio_transcription.completed", { item_id: item, transcript: text });
}

function answer(text, { id = "r1", item = "a1", status = "completed", error } = {}) {
  take("response.created", { response: { id } });
  if (text) take("response.output_audio_transcript.delta", { response_id: id, item_id: item, delta: text });
  if (status) take("response.done", { response: { id, status, status_details: { error } } });
}

test("words appear as they are heard, and are replaced by what was understood", () => {
  take("input_audio_buffer.speech_started", { item_id: "q1" });
  hear("what is");
  hear("what is the", true);
  hear("whether");
  assert.deepEqual(shown(), [["you", "what is the whether", "open"]]);
  assert.equal(talk.floor, "you");
  take("input_audio_buffer.speech_stopped");
  assert.equal(talk.floor, "thinking");
  take("conversation.item.input_audio_transcription.completed", {
    item_id: "q1",
    transcript: "What is the weather?",
  });
  assert.deepEqual(shown(), [["you", "What is the weather?", "done"]]);
});

test("an answer has the floor until its last sound", () => {
  ask("hello");
  answer("Hello to you.", { status: "" });
  talk.speaks();
  assert.equal(talk.floor, "voice");
  take("response.done", { response: { id: "r1", status: "completed" } });
  assert.equal(talk.floor, "voice");
  talk.fellSilent();
  assert.equal(talk.floor, "nobody");
});

test("an interruption shows what was heard, and begins with the words that made it", () => {
  ask("tell me a story");
  answer("Once upon a time there was a fox.", { status: "" });
  talk.speaks();
  hear("wait");
  assert.equal(talk.interim, "wait");
  take("gateway.paused", { response_id: "r1" });
  assert.equal(talk.floor, "paused");
  take("input_audio_buffer.speech_started", { item_id: "q2" });
  take("response.done", { response: { id: "r1", status: "cancelled" } });
  take("gateway.interrupted", { response_id: "r1", heard_ms: 900, heard_text: "Once upon a time" });
  assert.equal(talk.floor, "you");
  assert.equal(talk.entries[1].heard, "Once upon a time");
  assert.deepEqual(shown().slice(1), [
    ["voice", "Once upon a time there was a fox.", "cut"],
    ["you", "wait", "open"],
  ]);
});

test("a turn that was taken too early is one line in the end, and nothing is between", () => {
  ask("What is natural language");
  answer("Natural language is", { status: "" });
  talk.speaks();
  take("gateway.transcript", { text: "processing", final: false, turn: "What is natural language processing" });
  assert.equal(talk.interim, "What is natural language processing");
  take("input_audio_buffer.speech_started", { item_id: "q2" });
  take("response.done", { response: { id: "r1", status: "cancelled" } });
  take("conversation.item.deleted", { item_id: "a1" });
  take("conversation.item.deleted", { item_id: "q1" });
  take("gateway.interrupted", { response_id: "r1", heard_ms: 0, heard_text: "" });
  assert.deepEqual(shown(), [["you", "What is natural language processing", "open"]]);
  take("gateway.transcript", { text: "processing?", final: true, turn: "What is natural language processing?" });
  assert.deepEqual(shown(), [["you", "What is natural language processing?", "open"]]);
  take("input_audio_buffer.committed", { item_id: "q2" });
  take("conversation.item.input_audio_transcription.completed", {
    item_id: "q2",
    transcript: "What is natural language processing?",
  });
  assert.deepEqual(shown(), [["you", "What is natural language processing?", "done"]]);
});

test("an answer that was cut short says why, and is no interruption", () => {
  ask("tell me a story");
  answer("Once upon a time", { status: "" });
  const status_details = { type: "incomplete", reason: "max_output_tokens" };
  take("response.done", { response: { id: "r1", status: "incomplete", status_details } });
  assert.deepEqual(shown()[1], ["voice", "Once upon a time", "done"]);
  assert.equal(talk.entries[1].short, "max_output_tokens");
});

test("an interim that was nothing leaves no trace", () => {
  ask("tell me a story");
  answer("Once upon a time.", { status: "" });
  talk.speaks();
  hear("mm-hm");
  take("gateway.paused");
  take("gateway.resumed");
  assert.equal(talk.interim, "");
  assert.equal(talk.floor, "voice");
  assert.equal(talk.entries.length, 2);
});

test("an answer that fails says why", () => {
  ask("hello");
  answer("", { status: "failed", error: { message: "the model did not answer" } });
  assert.deepEqual(shown()[1], ["trouble", "the model did not answer", "done"]);
  assert.equal(talk.floor, "nobody");
});

test("what was said of a failure is shown, and told to no other session", () => {
  ask("what is the weather");
  answer("It is", { status: "" });
  answer(" Sorry, please ask again.", { status: "" });
  const output = [{ content: [{ type: "output_audio", transcript: "It is" }] }];
  take("response.done", { response: { id: "r1", status: "failed", output, status_details: {} } });
  assert.equal(shown()[1][1], "It is Sorry, please ask again.");
  assert.deepEqual(talk.remembered().map(({ content }) => content[0].text), ["what is the weather", "It is"]);
});

test("what the server could not do is said; that we were late, or are refused a line, is not", () => {
  const complain = (error) => take("error", { error: { message: "no", param: null, ...error } });
  complain({ type: "server_error", code: "asr_unavailable", message: "asr: down" });
  complain({ type: "server_error", code: "asr_unavailable", message: "asr: down" });
  complain({ type: "invalid_request_error", code: "invalid_value", param: "session.audio.output.voice" });
  complain({ type: "server_error", code: "gateway_full" });
  complain({ type: "invalid_request_error", code: "response_cancel_not_active" });
  assert.deepEqual(shown(), [["trouble", "asr: down", "done"], ["trouble", "no", "done"]]);
});

test("a button that was held for nothing leaves nothing", () => {
  talk.press();
  assert.equal(talk.floor, "you");
  talk.release(false);
  assert.deepEqual(shown(), []);
  talk.press();
  talk.release(true);
  take("input_audio_buffer.committed", { item_id: "q1" });
  take("conversation.item.input_audio_transcription.completed", { item_id: "q1", transcript: "" });
  assert.deepEqual(shown(), []);
});

test("what was said by hand is known by its turn, whatever comes between", () => {
  talk.press();
  hear("go forward");
  talk.release(true);
  take("input_audio_buffer.committed", { item_id: "q1" });
  take("response.created", { response: { id: "r1" } });
  take("conversation.item.input_audio_transcription.completed", {
    item_id: "q1",
    transcript: "Go forward.",
  });
  assert.deepEqual(shown(), [["you", "Go forward.", "done"]]);
});

test("after a lost connection, the server is told what was said and what was heard", () => {
  talk.type("hello");
  answer("Hello to you.");
  ask("tell me a story");
  answer("Once upon a time there was a fox.", { id: "r2", item: "a2", status: "cancelled" });
  take("gateway.interrupted", { response_id: "r2", heard_ms: 900, heard_text: "Once upon" });
  answer("", { id: "r3", status: "failed", error: { message: "down" } });
  take("input_audio_buffer.speech_started", { item_id: "q3" });
  talk.breakOff();
  assert.deepEqual(
    talk.remembered().map(({ role, content }) => [role, content[0].type, content[0].text]),
    [
      ["user", "input_text", "hello"],
      ["assistant", "output_text", "Hello to you."],
      ["user", "input_text", "tell me a story"],
      ["assistant", "output_text", "Once upon"],
    ],
  );
  assert.equal(talk.floor, "nobody");
});

test("events it does not know are none of its business", () => {
  take("rate_limits.updated");
  take("toString");
  assert.deepEqual(shown(), []);
});

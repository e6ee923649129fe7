// What was said, and who has the floor, as the server's events tell it. Pure: no page, no sound.

/**
 * @typedef {object} Entry
 * @property {string} key
 * @property {"you" | "voice" | "trouble"} who
 * @property {string} text
 * @property {"open" | "done" | "cut"} state
 * @property {string} [heard] of a voice that was cut off: what of its text was heard
 * @property {string} [kept] of an answer that failed: its text without the apology for it
 * @property {Record<string, number | null>} [ms] where the time to the first sound went
 * @property {number} [waited] seconds until the first sound of it, as this page heard it
 * @property {string} [short] of an answer: why it ended before the model was done with it
 * @property {boolean} [typed]
 * @property {string} [item] its id at the server
 * @property {string} [response] whose answer it is
 */

/** @typedef {"nobody" | "you" | "thinking" | "voice" | "paused"} Floor */

const MOST_ENTRIES = 400;
const MOST_REMEMBERED = 40; // told to the server again after a lost connection
const FAREWELLS = new Set(["gateway_full", "rate_limit_exceeded", "call_ended"]); // the connection's state says what they mean
const SPOKEN = "conversation.item.input_audio_transcription";

export class Conversation {
  /** @type {Entry[]} */
  entries = [];
  /** @type {Floor} */
  floor = "nobody";
  /** What is heard while the voice speaks; it may turn out to interrupt it. */
  interim = "";
  /** The response under way, if there is one. */
  response = "";
  #finals = [];
  #keys = 0;

  /** The caller's words that are being heard. */
  get open() {
    return this.entries.findLast((entry) => entry.who === "you" && entry.state === "open");
  }

  /** The item of the response under way, as soon as it has one. */
  get answering() {
    return this.response && this.#answerOf(this.response)?.item;
  }

  /** Take in what the server says. */
  take(event) {
    FOLLOW[event.type]?.call(this, event);
  }

  /** The caller typed this. */
  type(text) {
    this.#add({ who: "you", text, state: "done", typed: true });
  }

  /** The caller presses the button to talk. */
  press() {
    this.#finals = [];
    this.floor = "you";
    if (!this.open) this.#add({ who: "you", text: "", state: "open" });
  }

  /** The caller let go of the button; nothing will come of it where it was too short. */
  release(talked) {
    this.floor = talked ? "thinking" : "nobody";
    if (!talked) this.#drop(this.open);
  }

  /** The last sound of an answer was played. */
  fellSilent() {
    if (this.floor === "voice" && !this.response) this.floor = "nobody";
  }

  /** Sound of the voice is being played. */
  speaks() {
    if (this.floor === "thinking" || this.floor === "nobody") this.floor = "voice";
  }

  /** The connection is gone: what was under way ends here. */
  breakOff() {
    for (const entry of this.entries) if (entry.state === "open") entry.state = "cut";
    this.entries = this.entries.filter((entry) => entry.text);
    this.response = this.interim = "";
    this.floor = "nobody";
    for (const entry of this.entries) delete entry.item;
  }

  /** Say this to the caller, beside what was said. */
  note(text) {
    const last = this.entries.at(-1);
    if (last?.who === "trouble" && last.text === text) return; // once is enough, while it lasts
    this.#add({ who: "trouble", text, state: "done" });
  }

  /** What a new session is to know of the old one, as the protocol's items. */
  remembered() {
    const said = this.entries.filter((entry) => entry.who !== "trouble" && heardOf(entry));
    return said.slice(-MOST_REMEMBERED).map((entry) => ({
      type: "message",
      role: entry.who === "you" ? "user" : "assistant",
      content: [{ type: entry.who === "you" ? "input_text" : "output_text", text: heardOf(entry) }],
    }));
  }

  /** Whether the caller has said the last word, and it was not its end that got lost. */
  get unanswered() {
    const last = this.entries.at(-1);
    return last?.who === "you" && last.state === "done";
  }

  /** Words of the caller; a `turn` that goes on after it was taken too early comes whole. */
  hear({ text, final, turn }) {
    const entry = this.open;
    if (!entry) {
      this.interim = turn ?? text.trim();
      return;
    }
    entry.text = turn ?? [...this.#finals, text.trim()].join(" ");
    if (final) this.#finals.push(text.trim());
  }

  beginTurn({ item_id }) {
    this.floor = "you";
    this.#finals = [];
    this.#add({ who: "you", text: this.interim, state: "open", item: item_id });
    this.interim = "";
  }

  endTurn() {
    this.floor = "thinking";
  }

  nameTurn({ item_id }) {
    const entry = this.open;
    if (entry) entry.item = item_id;
  }

  transcribe({ item_id, transcript }) {
    const entry = this.entries.find((known) => known.item === item_id) ?? this.open;
    if (!entry) return;
    if (!transcript) return this.#drop(entry);
    entry.text = transcript;
    entry.state = "done";
  }

  /** The server keeps nothing of this: its turn goes on, or nobody heard it. */
  takeBack({ item_id }) {
    this.entries = this.entries.filter((entry) => entry.item !== item_id);
  }

  beginAnswer({ response }) {
    this.response = response.id;
    this.floor = "thinking";
  }

  answer({ response_id, item_id, delta }) {
    let entry = this.entries.find((known) => known.item === item_id);
    entry ??= this.#add({ who: "voice", text: "", state: "open", item: item_id, response: response_id });
    entry.text += delta;
  }

  endAnswer({ response }) {
    const entry = this.#answerOf(response.id);
    const short = response.status === "incomplete" ? response.status_details?.reason : undefined;
    if (entry) entry.state = response.status === "completed" || short ? "done" : "cut";
    if (entry && short) entry.short = short;
    if (entry && response.status === "failed") entry.kept = textOf(response);
    if (response.status === "failed") this.#explain(response.status_details?.error);
    this.response = this.interim = "";
    if (this.floor === "paused") this.floor = "voice";
    const sounds = response.status !== "cancelled" && this.floor === "voice";
    if (this.floor !== "you" && !sounds) this.floor = "nobody";
  }

  interrupted({ response_id, heard_text }) {
    const entry = this.#answerOf(response_id);
    if (entry) entry.heard = heard_text;
  }

  time({ response_id, ms }) {
    const entry = this.#answerOf(response_id);
    if (entry && ms.total !== null) entry.ms = ms;
  }

  /** So long the caller waited for this answer, from its last sound to the first it heard. */
  waited(response_id, seconds) {
    const entry = this.#answerOf(response_id);
    if (entry) entry.waited = seconds;
  }

  pause() {
    this.floor = "paused";
  }

  resume() {
    this.floor = "voice";
    this.interim = "";
  }

  /** What the server could not do; that an event of ours came too late for it is no trouble. */
  complain({ error }) {
    const asked = error.param?.startsWith("session.");
    const failed = error.type === "server_error" && !FAREWELLS.has(error.code);
    if (asked || failed) this.#explain(error);
  }

  #explain(error) {
    this.note(error?.message ?? "The answer failed.");
  }

  #answerOf(id) {
    return this.entries.findLast((entry) => entry.response === id);
  }

  #add(content) {
    const entry = { key: `entry-${++this.#keys}`, ...content };
    this.entries.push(entry);
    if (this.entries.length > MOST_ENTRIES) this.entries.shift();
    return entry;
  }

  #drop(entry) {
    this.entries = this.entries.filter((known) => known !== entry);
  }
}

/** What of an entry the caller said, or heard. */
function heardOf(entry) {
  const heard = entry.state === "cut" ? (entry.heard ?? entry.text) : entry.text;
  return (entry.kept ?? heard).trim();
}

/** The text of a response as the server keeps it, which has no word of an apology. */
function textOf({ output }) {
  const parts = (output ?? []).flatMap((item) => item.content ?? []);
  return parts.map((part) => part.transcript ?? part.text ?? "").join("");
}

const FOLLOW = {
  "input_audio_buffer.speech_started": Conversation.prototype.beginTurn,
  "input_audio_buffer.speech_stopped": Conversation.prototype.endTurn,
  "input_audio_buffer.committed": Conversation.prototype.nameTurn,
  [`${SPOKEN}.completed`]: Conversation.prototype.transcribe,
  "conversation.item.deleted": Conversation.prototype.takeBack,
  "response.created": Conversation.prototype.beginAnswer,
  "response.output_audio_transcript.delta": Conversation.prototype.answer,
  "response.output_text.delta": Conversation.prototype.answer,
  "response.done": Conversation.prototype.endAnswer,
  error: Conversation.prototype.complain,
  "gateway.transcript": Conversation.prototype.hear,
  "gateway.interrupted": Conversation.prototype.interrupted,
  "gateway.latency": Conversation.prototype.time,
  "gateway.paused": Conversation.prototype.pause,
  "gateway.resumed": Conversation.prototype.resume,
};

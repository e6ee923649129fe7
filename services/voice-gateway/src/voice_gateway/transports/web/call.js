// One call: the line, the microphone, the loudspeaker and the conversation, wired together.

import { Conversation } from "./conversation.js";
import { fault } from "./faults.js";
import { Line } from "./line.js";
import { Loudspeaker } from "./loudspeaker.js";
import { Microphone } from "./microphone.js";
import { RATE_HZ, fromBase64, fromPcm16, loudness, toBase64 } from "./pcm.js";

const REPORT_MS = 250; // between what the server is told of what was played
const TAIL_MS = 200; // people let go of a button while they say their last sound
const LEAST_HELD_MS = 300;
const BEGAN_ANEW = "The connection was lost, and with it what was under way. A new call goes on from what stands here.";

/**
 * @typedef {object} Wishes
 * @property {string} language empty: the gateway's own
 * @property {string} voice empty: the gateway's own
 * @property {boolean} byHand the caller holds a button while it talks
 * @property {boolean} aloud answers are spoken, else only shown
 */

export class Call {
  conversation = new Conversation();
  line;
  microphone = new Microphone();
  muted = false;
  /** Loudness just now, 0 to 1: of the caller, and of the voice. */
  heard = 0;
  /** The caller wants to talk, not only to type. */
  talking = false;
  /** The browser is being asked for the microphone. */
  asking = false;
  /** What is wrong with the microphone; null where nothing is. */
  fault = null;

  /** Called when anything shown may have changed. */
  onchange = () => {};
  /** Called with things worth a mark: "cut", or "answer" with the seconds waited for it. */
  onmark = (kind, seconds) => {};
  /** Called with each event of the server. */
  onevent = (event) => {};

  /** @type {Wishes} */
  #wishes = { language: "", voice: "", byHand: false, aloud: true };
  #out = null;
  #meter = null;
  /** @type {Loudspeaker?} */
  #speaker = null;
  #held = false;
  #heldAt = 0;
  #asked = false;
  #owing = false; // an answer is to be asked for as soon as the one under way is over
  #silence = toBase64(new Uint8Array((RATE_HZ / 25) * 2));
  #voiced = new VoicedClock();
  #spoke = false; // the turn that is to be answered was spoken, not typed
  #sounding = ""; // the response that is being played, or was last
  #stopped = ""; // the response of which no more is to be played

  constructor(address) {
    this.line = new Line(address);
    this.line.onchange = () => this.#lineChanged();
    this.line.onevent = (event) => this.#take(event);
    this.microphone.onframe = (frame) => this.#hear(frame);
    this.microphone.onlost = () => this.#lose();
    setInterval(() => this.#report(), REPORT_MS);
  }

  get wishes() {
    return this.#wishes;
  }

  get holding() {
    return this.#held;
  }

  /** How loud the voice is that is being played. */
  get spoken() {
    if (!this.#speaker?.busy || this.#speaker.paused) return 0;
    const samples = new Float32Array(this.#meter.fftSize);
    this.#meter.getFloatTimeDomainData(samples);
    return loudness(samples);
  }

  /** Begin to talk; from a click, so that the browser lets sound out. */
  async talk(key) {
    this.#openSpeaker();
    this.fault = await this.#openMicrophone();
    this.talking = this.fault === null;
    if (this.talking && this.line.state === "closed") this.line.open(key);
    this.line.retry();
    this.onchange();
  }

  /** Say this in writing. */
  type(text, key) {
    this.#openSpeaker();
    this.#spoke = false;
    this.conversation.type(text);
    if (this.line.live) this.#deliver(text);
    else if (this.line.state === "closed") this.line.open(key);
    else this.line.retry();
    this.onchange();
  }

  /** Restart the sound when the page is visible again: some phones have stopped it. */
  wake() {
    if (this.line.state !== "closed") this.#openSpeaker();
    this.microphone.wake();
  }

  hangUp() {
    this.line.close();
  }

  mute(muted) {
    this.muted = muted;
    this.heard = 0;
    this.onchange();
  }

  /** Stop the voice. */
  stop() {
    const heard = this.#flush();
    const { response, answering } = this.conversation;
    if (heard) this.#truncate(heard); // which also ends its response
    if (response && heard?.item !== answering) this.line.send({ type: "response.cancel" });
    this.onchange();
  }

  /** Use these wishes; a language other than before needs a call of its own. */
  wish(wishes, key) {
    const elsewhere = wishes.language !== this.#wishes.language;
    this.#wishes = wishes;
    this.#held = false;
    if (elsewhere && this.line.state !== "closed") {
      this.#flush();
      this.line.open(key);
    } else this.#adjust();
    this.onchange();
  }

  press() {
    if (this.#held || !this.microphone.open || !this.line.live) return;
    if (this.conversation.response || this.#speaker.busy) this.stop();
    this.#held = true;
    this.#heldAt = performance.now();
    this.conversation.press();
    this.onchange();
  }

  release() {
    if (!this.#held || !this.#heldAt) return;
    const talked = performance.now() - this.#heldAt > LEAST_HELD_MS;
    this.#heldAt = 0;
    setTimeout(() => this.#commit(talked), TAIL_MS);
  }

  #commit(talked) {
    if (!this.#held) return;
    this.#held = false;
    this.conversation.release(talked);
    this.line.send({ type: talked ? "input_audio_buffer.commit" : "input_audio_buffer.clear" });
    this.#spoke = talked;
    if (talked) this.#ask();
    this.onchange();
  }

  // What comes from the server.

  #take(event) {
    this.conversation.take(event);
    this.onevent(event);
    this.#act(event);
    this.onchange();
  }

  #act(event) {
    switch (event.type) {
      case "session.created":
        return this.#begin();
      case "input_audio_buffer.speech_started":
        return this.#yield();
      case "input_audio_buffer.speech_stopped":
        this.#spoke = true;
        return;
      case "response.created":
        this.#asked = false;
        return;
      case "response.output_audio.delta":
        return this.#play(event);
      case "response.done":
        return this.#answered(event.response);
      case "gateway.paused":
        return this.#speaker?.pause();
      case "gateway.resumed":
        return this.#speaker?.resume();
      case "error":
        return this.#refused(event.error);
    }
  }

  #begin() {
    this.#asked = this.#owing = false;
    this.#adjust();
    for (const item of this.conversation.remembered()) {
      this.line.send({ type: "conversation.item.create", item });
    }
    if (this.conversation.unanswered) this.#ask();
    if (this.line.beganAnew) this.conversation.note(BEGAN_ANEW);
  }

  #adjust() {
    const { language, voice, byHand, aloud } = this.#wishes;
    const input = { turn_detection: byHand ? null : { type: "semantic_vad" } };
    if (this.microphone.cancelsEcho) input.noise_reduction = { type: "near_field" };
    this.#update({ output_modalities: [aloud ? "audio" : "text"], audio: { input } });
    // What was chosen at another time may not be served any more, which must cost nothing else.
    if (language) this.#update({ audio: { input: { transcription: { language } } } });
    this.#update({ audio: { output: { voice: voice || "default" } } });
  }

  #update(session) {
    this.line.send({ type: "session.update", session: { type: "realtime", ...session } });
  }

  #deliver(text) {
    if (this.conversation.response) this.stop();
    const item = { type: "message", role: "user", content: [{ type: "input_text", text }] };
    this.line.send({ type: "conversation.item.create", item });
    this.#ask();
  }

  #ask() {
    this.#owing = Boolean(this.conversation.response) || this.#asked;
    if (this.#owing) return;
    this.#asked = true;
    this.conversation.floor = "thinking";
    this.line.send({ type: "response.create" });
  }

  #answered(response) {
    if (response.status === "cancelled") this.#yield();
    this.#speaker?.resume(); // no event would resume it any more
    if (!this.#speaker?.busy) this.conversation.fellSilent();
    if (this.#owing) this.#ask();
  }

  #refused({ code }) {
    // An answer had begun before ours was asked for; the question stands.
    if (code === "conversation_already_has_active_response") this.#owing = true;
    this.#asked = false;
  }

  // The voice.

  #openSpeaker() {
    this.#out ??= this.#newContext();
    this.#out.resume();
  }

  #newContext() {
    const context = new AudioContext({ sampleRate: RATE_HZ, latencyHint: "interactive" });
    this.#meter = context.createAnalyser();
    this.#meter.fftSize = 1024;
    this.#meter.connect(context.destination);
    this.#speaker = new Loudspeaker(context, this.#meter, RATE_HZ);
    this.#speaker.onidle = () => this.#fellSilent();
    return context;
  }

  #play({ item_id, response_id, delta }) {
    if (response_id === this.#stopped || !this.#speaker) return;
    const wait_s = this.#speaker.play(item_id, fromPcm16(fromBase64(delta)));
    this.conversation.speaks();
    if (response_id === this.#sounding) return;
    this.#sounding = response_id;
    if (this.#spoke) this.#noteWait(response_id, this.#voiced.since() + wait_s);
    this.#spoke = false;
  }

  #noteWait(response, seconds) {
    if (seconds > 30) return; // the caller's voice was too long ago to be the question
    this.conversation.waited(response, seconds);
    this.onmark("answer", seconds);
  }

  #fellSilent() {
    this.#report();
    this.conversation.fellSilent();
    this.onchange();
  }

  /** The caller has taken the floor. */
  #yield() {
    const heard = this.#flush();
    if (heard) this.#truncate(heard);
  }

  #flush() {
    this.#stopped = this.conversation.response;
    const heard = this.#speaker?.flush();
    if (heard) this.onmark("cut");
    return heard;
  }

  #truncate({ item, ms }) {
    const where = { item_id: item, content_index: 0, audio_end_ms: ms };
    this.line.send({ type: "conversation.item.truncate", ...where });
  }

  #report() {
    if (!this.#speaker?.busy || this.#speaker.paused) return;
    const { item, ms } = this.#speaker.played;
    if (item) this.line.send({ type: "gateway.playback", item_id: item, played_ms: ms });
  }

  // The caller.

  #hear({ pcm, level }) {
    const silent = this.muted || (this.#wishes.byHand && !this.#held);
    this.heard = silent ? 0 : level;
    if (!silent) this.#voiced.hear(level);
    if (this.#wishes.byHand && !this.#held) return;
    // Silence is sent while muted: the end of a turn is found in it.
    const audio = silent ? this.#silence : toBase64(new Uint8Array(pcm));
    this.line.send({ type: "input_audio_buffer.append", audio });
  }

  /** Returns the fault that keeps it shut, if there is one. */
  async #openMicrophone() {
    if (this.microphone.open) return null;
    this.asking = true;
    this.onchange();
    try {
      await this.microphone.start();
      if (this.line.live) this.#adjust(); // the server is told what it cancels
      return null;
    } catch (why) {
      return why;
    } finally {
      this.asking = false;
    }
  }

  #lose() {
    this.talking = false;
    this.heard = 0;
    this.fault = fault("microphone-lost");
    this.onchange();
  }

  #lineChanged() {
    if (!this.line.live) {
      if (this.line.fault?.name !== "ended") this.#speaker?.flush(); // else its goodbye is heard
      this.#held = false;
      this.conversation.breakOff();
    }
    if (this.line.state === "closed") this.#goQuiet();
    this.onchange();
  }

  #goQuiet() {
    this.talking = false;
    this.heard = 0;
    this.microphone.stop();
  }
}

/** When the caller's voice was last heard, above whatever noise there is. */
class VoicedClock {
  #noise = 0.01;
  #last = -Infinity;

  hear(level) {
    this.#noise = level < this.#noise ? level : this.#noise * 1.002 + 1e-6;
    if (level > Math.max(0.008, 3 * this.#noise)) this.#last = performance.now();
  }

  /** Seconds since then. */
  since() {
    return (performance.now() - this.#last) / 1000;
  }
}

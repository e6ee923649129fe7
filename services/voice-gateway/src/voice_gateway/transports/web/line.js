// The line to the gateway: one WebSocket after the other, until the caller hangs up.
//
// Where the gateway keeps the call of a connection that broke, the next one goes on with it, and
// nobody but the caller's eyes need notice; else the next one is a new call.

import { fault } from "./faults.js";
import { Resumption } from "./resumption.js";

const WAITS_S = [0.5, 1, 2, 4, 8, 15]; // between tries; a little more or less, so that not all call at once
const BUSY_WAITS_S = [5, 10, 15, 30];
const RESUME_WAITS_S = [0, 0.1, 0.2, 0.4, 0.8]; // while the gateway keeps the call
const STEADY_S = 5; // a connection that lasted so long was a good one
const PATIENCE_S = 10; // for a connection, or for the answer why there is none
const RESUME_PATIENCE_S = 5;
const MOST_UNSENT = 500_000; // characters; about eight seconds of speech: nothing gets through
const KEY_PROTOCOL = "openai-insecure-api-key.";
const TOKEN_PROTOCOL = "voice-gateway-resume.";
const RETURNING = 4000; // a closed socket hangs up, unless it says otherwise

/** Why the server closed, by its code; any other is a lost connection. */
const CLOSED = { 1000: "ended", 1001: "silent", 1008: "ended", 1012: "stopping", 1013: "busy", 3000: "key-refused", 4001: "ended" };
const FINAL = new Set(["silent", "ended", "key-needed", "key-refused", "origin"]);
const REFUSED = { 401: "key-refused", 403: "origin", 426: "blocked", 429: "busy", 503: "busy" };

/** @typedef {"closed" | "opening" | "open" | "resuming" | "waiting"} LineState */

export class Line {
  /** @type {LineState} */
  state = "closed";
  /** Why it is not open; null where nothing is wrong. */
  fault = null;
  /** When the next try is due, in ms of `performance.now()`. */
  retryAt = 0;
  /** The call that is open began anew, as the gateway could not go on with the one before. */
  beganAnew = false;

  onchange = () => {};
  /** Called with each event of the server, of each call once; the first is `session.created`. */
  onevent = (event) => {};

  #address;
  #key = "";
  #socket = null;
  #tries = 0;
  #timer = 0;
  #openedAt = 0;
  #wasOpen = false; // in this call: what fails then is a connection lost, not one never had
  #said = "";
  #busyFor_s = 0; // as the gateway has said
  #kept = new Resumption();
  #lostAt = 0; // when the connection broke that is being resumed
  #lostCall = false; // the next call begins anew, and its caller does not know it yet

  /** @param {URL} address of the endpoint, as http: or https: */
  constructor(address) {
    this.#address = address;
  }

  /** Whether what is sent arrives, now or as soon as the connection is back. */
  get live() {
    return this.state === "open" || this.state === "resuming";
  }

  /** Begin to call, with this key or none. */
  open(key = "") {
    this.#key = key;
    this.#tries = 0;
    this.#wasOpen = this.#lostCall = false;
    this.#anew();
  }

  /** Try now what would be tried later. */
  retry() {
    if (this.state === "waiting" || (this.state === "resuming" && !this.#socket)) this.#dial();
  }

  close() {
    this.#leave();
    this.#become("closed");
  }

  /** The network has gone: do not wait until TCP notices. */
  drop() {
    if (this.#socket) this.#fail("lost");
  }

  /** Send an event; false where there is nobody to take it. */
  send(event) {
    if (this.state === "open" && this.#socket.bufferedAmount > MOST_UNSENT) this.drop();
    if (!this.live) return false;
    const frame = JSON.stringify(event);
    this.#kept.send(frame);
    if (this.state === "open") this.#socket.send(frame);
    return true;
  }

  /** Begin a call that knows nothing of the one before. */
  #anew() {
    this.#leave();
    this.#kept = new Resumption();
    this.state = "opening";
    this.#dial();
  }

  #dial() {
    this.#leave();
    if (this.state !== "resuming") this.#become("opening", this.fault);
    const socket = this.#connect();
    if (!socket) return;
    this.#socket = socket;
    this.#timer = setTimeout(() => this.#fail("unreachable"), this.#patience_s * 1000);
    socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
    socket.onclose = ({ code, reason }) => this.#closed(code, reason);
  }

  get #patience_s() {
    return this.state === "resuming" ? RESUME_PATIENCE_S : PATIENCE_S;
  }

  #connect() {
    const { token, received } = this.#kept;
    const url = new URL(this.#address);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    if (token) url.searchParams.set("received", received);
    const shown = [this.#key && KEY_PROTOCOL + this.#key, token && TOKEN_PROTOCOL + token];
    try {
      return new WebSocket(url, ["realtime", ...shown.filter(Boolean)]);
    } catch {
      // A subprotocol's name has no spaces, and nothing beyond ASCII.
      this.#fail("key-refused");
      return null;
    }
  }

  #take(event) {
    if (event.type === "session.created") this.#begun();
    this.#kept.take(event);
    if (event.type === "gateway.reconnected" && !this.#goesOn(event.taken_events)) return;
    const acknowledgement = this.#kept.acknowledgement(performance.now());
    if (acknowledgement) this.send(acknowledgement);
    if (event.type === "error") {
      this.#said = event.error.message;
      this.#busyFor_s = event.error.retry_after_s ?? 0;
    }
    this.onevent(event);
  }

  /** A new call has begun, whatever was asked for. */
  #begun() {
    this.#lostCall ||= this.state === "resuming" && !this.#kept.moves;
    if (this.state === "resuming") this.#become("opening"); // the call as it was is over
    this.beganAnew = this.#lostCall;
    this.#lostCall = false;
    this.#kept = new Resumption();
    this.#opened();
  }

  /** The call goes on: the gateway has taken so many of our events. Whether the rest is still here. */
  #goesOn(taken) {
    this.#lostCall = !this.#kept.reaches(taken);
    if (this.#lostCall) {
      this.#anew();
      return false;
    }
    for (const frame of this.#kept.unsent(taken)) this.#socket.send(frame);
    this.#opened();
    return true;
  }

  #opened() {
    clearTimeout(this.#timer);
    this.#openedAt = performance.now();
    this.#wasOpen = true;
    this.#said = "";
    this.#become("open");
  }

  async #closed(code, reason) {
    const opened = this.state === "open";
    if (opened && performance.now() - this.#openedAt > STEADY_S * 1000) this.#tries = 0;
    if (opened) return this.#fail(CLOSED[code] ?? "lost", CLOSED[code] ? this.#said || reason : "");
    const socket = this.#socket;
    const why = await this.#diagnosis();
    if (this.#socket === socket) this.#fail(why);
  }

  /** Why the gateway takes no WebSocket: the browser does not say, a plain request does. */
  async #diagnosis() {
    const headers = this.#key ? { Authorization: `Bearer ${this.#key}` } : {};
    const signal = AbortSignal.timeout(PATIENCE_S * 1000);
    try {
      const answer = await fetch(this.#address, { headers, signal, cache: "no-store" });
      const why = REFUSED[answer.status] ?? "unreachable";
      return why === "key-refused" && !this.#key ? "key-needed" : why;
    } catch {
      return "unreachable";
    }
  }

  #fail(name, said = "") {
    const resumes = this.#resumes(name);
    this.#leave(resumes);
    if (resumes) return this.#resume();
    this.#kept = new Resumption();
    if (FINAL.has(name)) return this.#become("closed", fault(name, said));
    const shown = name === "unreachable" && this.#wasOpen ? "lost" : name;
    const least_s = name === "busy" ? this.#busyFor_s : 0;
    const usual_s = waits(name, this.#tries++) * (0.8 + 0.4 * Math.random());
    const wait_s = Math.max(least_s, usual_s);
    this.retryAt = performance.now() + wait_s * 1000;
    this.#timer = setTimeout(() => this.#dial(), wait_s * 1000);
    this.#become("waiting", fault(shown, said));
  }

  /** Whether the gateway may still keep the call of the connection that broke. */
  #resumes(name) {
    // A call that has its place is never busy: only what stands before the gateway says so then.
    const refused = FINAL.has(name) || (name === "busy" && this.state === "open");
    if (!this.#kept.token || refused) return false;
    if (this.state === "open") this.#lostAt = performance.now();
    return performance.now() - this.#lostAt < this.#kept.windowMs;
  }

  #resume() {
    const wait_s = waits("resume", this.#tries++) * (0.8 + 0.4 * Math.random());
    this.#timer = setTimeout(() => this.#dial(), wait_s * 1000);
    this.#become("resuming");
  }

  #leave(returns = false) {
    clearTimeout(this.#timer);
    if (!this.#socket) return;
    this.#socket.onmessage = this.#socket.onclose = null;
    if (returns) this.#socket.close(RETURNING);
    else this.#socket.close();
    this.#socket = null;
  }

  #become(state, why = null) {
    this.state = state;
    this.fault = why;
    this.onchange();
  }
}

function waits(name, tries) {
  const series = { busy: BUSY_WAITS_S, resume: RESUME_WAITS_S }[name] ?? WAITS_S;
  return series[Math.min(tries, series.length - 1)];
}

// The line to the gateway: one WebSocket after the other, until the caller hangs up.

import { fault } from "./faults.js";

const WAITS_S = [0.5, 1, 2, 4, 8, 15]; // between tries; a little more or less, so that not all call at once
const BUSY_WAITS_S = [5, 10, 15, 30];
const STEADY_S = 5; // a connection that lasted so long was a good one
const PATIENCE_S = 10; // for a connection, or for the answer why there is none
const MOST_UNSENT = 1_000_000; // characters; about fifteen seconds of speech: nothing gets through
const KEY_PROTOCOL = "openai-insecure-api-key.";

/** Why the server closed, by its code; any other is a lost connection. */
const CLOSED = { 1000: "ended", 1001: "silent", 1008: "ended", 1012: "stopping", 1013: "busy", 3000: "key-refused" };
const FINAL = new Set(["silent", "ended", "key-needed", "key-refused", "origin"]);
const REFUSED = { 401: "key-refused", 403: "origin", 426: "blocked", 429: "busy", 503: "busy" };

/** @typedef {"closed" | "opening" | "open" | "waiting"} LineState */

export class Line {
  /** @type {LineState} */
  state = "closed";
  /** Why it is not open; null where nothing is wrong. */
  fault = null;
  /** When the next try is due, in ms of `performance.now()`. */
  retryAt = 0;

  onchange = () => {};
  /** Called with each event of the server, the first being `session.created`. */
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

  /** @param {URL} address of the endpoint, as http: or https: */
  constructor(address) {
    this.#address = address;
  }

  /** Begin to call, with this key or none. */
  open(key = "") {
    this.#key = key;
    this.#tries = 0;
    this.#wasOpen = false;
    this.#dial();
  }

  /** Try now what would be tried later. */
  retry() {
    if (this.state === "waiting") this.#dial();
  }

  close() {
    this.#leave();
    this.#become("closed");
  }

  /** The network has gone: do not wait until TCP notices. */
  drop() {
    if (this.state === "open" || this.state === "opening") this.#fail("lost");
  }

  /** Send an event; false where there is nobody to take it. */
  send(event) {
    if (this.state !== "open") return false;
    if (this.#socket.bufferedAmount > MOST_UNSENT) {
      this.drop();
      return false;
    }
    this.#socket.send(JSON.stringify(event));
    return true;
  }

  #dial() {
    this.#leave();
    this.#become("opening", this.fault);
    const socket = this.#connect();
    if (!socket) return;
    this.#socket = socket;
    this.#timer = setTimeout(() => this.#fail("unreachable"), PATIENCE_S * 1000);
    socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
    socket.onclose = ({ code, reason }) => this.#closed(code, reason);
  }

  #connect() {
    const url = new URL(this.#address);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    try {
      return new WebSocket(url, ["realtime", ...(this.#key ? [KEY_PROTOCOL + this.#key] : [])]);
    } catch {
      // A subprotocol's name has no spaces, and nothing beyond ASCII.
      this.#fail("key-refused");
      return null;
    }
  }

  #take(event) {
    if (event.type === "session.created") this.#opened();
    if (event.type === "error") {
      this.#said = event.error.message;
      this.#busyFor_s = event.error.retry_after_s ?? 0;
    }
    this.onevent(event);
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
    this.#leave();
    if (FINAL.has(name)) return this.#become("closed", fault(name, said));
    const shown = name === "unreachable" && this.#wasOpen ? "lost" : name;
    const least_s = name === "busy" ? this.#busyFor_s : 0;
    const usual_s = waits(name, this.#tries++) * (0.8 + 0.4 * Math.random());
    const wait_s = Math.max(least_s, usual_s);
    this.retryAt = performance.now() + wait_s * 1000;
    this.#timer = setTimeout(() => this.#dial(), wait_s * 1000);
    this.#become("waiting", fault(shown, said));
  }

  #leave() {
    clearTimeout(this.#timer);
    if (!this.#socket) return;
    this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#socket = null;
  }

  #become(state, why = null) {
    this.state = state;
    this.fault = why;
    this.onchange();
  }
}

function waits(name, tries) {
  const series = name === "busy" ? BUSY_WAITS_S : WAITS_S;
  return series[Math.min(tries, series.length - 1)];
}

// What the page must know to go on with its call over another connection: what came, what was sent.
//
// Pure: it is told of every event, both ways. A call that begins anew has one of its own.

const MOST_CHARS = 4_000_000; // about a minute of speech: more than a network holds, and the window
const ACKNOWLEDGE_MS = 500;

export class Resumption {
  /** What opens the call again; empty: it ends with its connection. */
  token = "";
  /** For so long the gateway keeps it. */
  windowMs = 0;
  /** The number of the last event that came. */
  received = 0;
  /** The gateway goes, and ends the connection when nobody speaks. */
  moves = false;

  #mostChars;
  /** @type {string[]} the newest that were sent */
  #sent = [];
  #chars = 0;
  #count = 0;
  #acknowledged = 0;
  #acknowledgedAt = -Infinity;

  constructor(mostChars = MOST_CHARS) {
    this.#mostChars = mostChars;
  }

  /** Take note of an event of the gateway. */
  take(event) {
    if (event.sequence) this.received = event.sequence;
    if (event.type === "gateway.move") this.moves = true;
    const offer = event.type === "gateway.reconnected" ? event : event.resumption;
    if (offer) [this.token, this.windowMs] = [offer.token, offer.window_ms];
  }

  /** Take note that this is sent next. */
  send(frame) {
    if (!this.token) return; // nothing will be asked for again
    this.#count++;
    this.#sent.push(frame);
    this.#chars += frame.length;
    while (this.#chars > this.#mostChars) this.#chars -= this.#sent.shift().length;
  }

  /** Whether all that the gateway has not taken is still here, where it has taken so many. */
  reaches(taken) {
    return taken >= this.#count - this.#sent.length && taken <= this.#count;
  }

  /** What is to be sent again where the gateway has taken so many. */
  unsent(taken) {
    return this.#sent.slice(taken - this.#count + this.#sent.length);
  }

  /** The event that says what came, where it is time for one; else null. */
  acknowledgement(now) {
    const due = this.token && this.received > this.#acknowledged && now - this.#acknowledgedAt >= ACKNOWLEDGE_MS;
    if (!due) return null;
    this.#acknowledged = this.received;
    this.#acknowledgedAt = now;
    return { type: "gateway.acknowledge", sequence: this.received };
  }
}

// The playback queue: pieces of speech, each to the sample after the one before it.
//
// What the page says it played is what the caller can have heard: the server's memory of the
// conversation goes by it.

const LEAD_S = 0.05; // before the first piece, so that the next can come in time
const FADE_S = 0.012; // no click where speech is cut

/**
 * @typedef {object} Piece
 * @property {string} item which message it is part of
 * @property {number} offset seconds of that message before it
 * @property {Float32Array} samples
 * @property {number} at when it begins, on the context's clock
 * @property {AudioBufferSourceNode?} source null while the loudspeaker is paused
 */

export class Loudspeaker {
  /** Called when everything that came was played. */
  onidle = () => {};

  #context;
  #out;
  #gain;
  #rateHz;
  /** @type {Piece[]} */
  #pieces = [];
  #played = { item: "", seconds: 0 };
  #paused = false;

  /**
   * @param {AudioContext} context
   * @param {AudioNode} out
   * @param {number} rateHz of the samples that come
   */
  constructor(context, out, rateHz) {
    this.#context = context;
    this.#out = out;
    this.#rateHz = rateHz;
    this.#gain = this.#newGain();
  }

  /** Whether something is being played, or waits to be. */
  get busy() {
    return this.#pieces.length > 0;
  }

  get paused() {
    return this.#paused;
  }

  /** What is being played, or was last: the message, and how much of it was heard. */
  get played() {
    this.#settle(this.#context.currentTime - latency(this.#context));
    const item = this.#pieces[0]?.item ?? this.#played.item;
    return { item, ms: whole(this.#offsetOf(item) * 1000) };
  }

  /**
   * Queue the next piece of a message; return how many seconds from now it will sound.
   * @param {string} item
   * @param {Float32Array} samples
   */
  play(item, samples) {
    if (!samples.length) return 0;
    const last = this.#pieces.at(-1);
    const offset = last?.item === item ? end(last, this.#rateHz).offset : this.#offsetOf(item);
    const piece = { item, offset, samples, at: Infinity, source: null };
    this.#pieces.push(piece);
    if (!this.#paused) this.#schedule(piece, last ? end(last, this.#rateHz).at : 0);
    return piece.at - this.#context.currentTime;
  }

  /** Fall silent, and keep what was not played. */
  pause() {
    if (this.#paused) return;
    this.#paused = true;
    this.#silence();
  }

  /** Go on where it stopped. */
  resume() {
    if (!this.#paused) return;
    this.#paused = false;
    let at = 0;
    for (const piece of this.#pieces) {
      this.#schedule(piece, at);
      at = end(piece, this.#rateHz).at;
    }
  }

  /** Throw away what was not played; return what was, or null where nothing was under way. */
  flush() {
    const heard = this.busy ? this.played : null;
    this.#silence();
    this.#pieces = [];
    this.#paused = false;
    return heard;
  }

  #offsetOf(item) {
    return this.#played.item === item ? this.#played.seconds : 0;
  }

  #schedule(piece, earliest) {
    const source = this.#context.createBufferSource();
    source.buffer = this.#context.createBuffer(1, piece.samples.length, this.#rateHz);
    source.buffer.copyToChannel(piece.samples, 0);
    source.connect(this.#gain);
    const now = this.#context.currentTime;
    piece.at = earliest > now ? earliest : now + LEAD_S;
    piece.source = source;
    source.onended = () => piece.source === source && this.#ended();
    source.start(piece.at);
  }

  #ended() {
    this.#settle(this.#context.currentTime);
    if (!this.busy) this.onidle();
  }

  /** Stop what sounds; the rest of it waits, cut where it stopped. */
  #silence() {
    const now = this.#context.currentTime;
    this.#settle(now);
    this.#gain.gain.setValueAtTime(1, now);
    this.#gain.gain.linearRampToValueAtTime(0, now + FADE_S);
    for (const piece of this.#pieces) {
      piece.source?.stop(now + FADE_S);
      piece.source = null;
      this.#cut(piece, now);
    }
    this.#gain = this.#newGain();
  }

  #cut(piece, now) {
    const begun = Math.min(whole(Math.max(0, now - piece.at) * this.#rateHz), piece.samples.length - 1);
    piece.samples = piece.samples.subarray(begun);
    piece.offset += begun / this.#rateHz;
    piece.at = Infinity;
  }

  /** Note what was played up to `now`, and forget the pieces that are over. */
  #settle(now) {
    while (this.#pieces.length && now > this.#pieces[0].at) {
      const piece = this.#pieces[0];
      const over = end(piece, this.#rateHz);
      if (now < over.at) return this.#note(piece.item, piece.offset + now - piece.at);
      this.#note(piece.item, over.offset);
      this.#pieces.shift();
    }
  }

  #note(item, seconds) {
    const before = this.#offsetOf(item);
    this.#played = { item, seconds: Math.max(before, seconds) };
  }

  #newGain() {
    const gain = this.#context.createGain();
    gain.connect(this.#out);
    return gain;
  }
}

/** When and where in its message a piece is over. */
function end(piece, rateHz) {
  const seconds = piece.samples.length / rateHz;
  return { at: piece.at + seconds, offset: piece.offset + seconds };
}

/** The whole units that are full, but for what is lost between seconds and their fractions. */
function whole(units) {
  return Math.floor(units + 1e-6);
}

/** How long samples take from the context to the ear; not every browser says. */
function latency(context) {
  return context.outputLatency || context.baseLatency || 0;
}

// A stream of samples at one rate turned into a stream at another.

const CROSSINGS = 16; // zero crossings of the sinc on each side
const PASSED = 0.94; // of the band that both rates have; the rest is for the filter's slope

/** Polyphase, with a Blackman-windowed sinc; it lags CROSSINGS samples of the lower rate behind. */
export class Resampler {
  #up;
  #down;
  #half;
  #phases;
  #held;
  #at = 0; // of the next output sample, in held samples...
  #phase = 0; // ...and the fraction of one, in parts of #up

  /**
   * @param {number} fromHz
   * @param {number} toHz
   */
  constructor(fromHz, toHz) {
    const common = divisor(fromHz, toHz);
    this.#up = toHz / common;
    this.#down = fromHz / common;
    const band = Math.min(1, toHz / fromHz);
    this.#half = Math.ceil(CROSSINGS / band);
    this.#phases = Array.from({ length: this.#up }, (_, phase) =>
      taps(phase / this.#up, this.#half, band * PASSED),
    );
    this.#held = new Float32Array(this.#half - 1); // silence before the first sample
  }

  /**
   * Take the next samples; `emit` gets each sample that is ready, in order.
   * @param {Float32Array} samples
   * @param {(sample: number) => void} emit
   */
  feed(samples, emit) {
    if (this.#up === this.#down) return samples.forEach((sample) => emit(sample));
    const held = joined(this.#held, samples);
    while (this.#at + 2 * this.#half <= held.length) {
      emit(dot(this.#phases[this.#phase], held, this.#at));
      this.#phase += this.#down;
      this.#at += Math.floor(this.#phase / this.#up);
      this.#phase %= this.#up;
    }
    const done = Math.min(this.#at, held.length);
    this.#held = held.slice(done);
    this.#at -= done;
  }
}

/** The filter for a sample `fraction` of the way from the middle's left neighbour to its right. */
function taps(fraction, half, band) {
  const values = Float32Array.from({ length: 2 * half }, (_, k) => {
    const x = k - (half - 1) - fraction;
    return sinc(x * band) * blackman(x / half);
  });
  const sum = values.reduce((total, value) => total + value, 0);
  return values.map((value) => value / sum);
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

function blackman(x) {
  return Math.abs(x) >= 1 ? 0 : 0.42 + 0.5 * Math.cos(Math.PI * x) + 0.08 * Math.cos(2 * Math.PI * x);
}

function dot(filter, samples, at) {
  let sum = 0;
  for (let k = 0; k < filter.length; k++) sum += filter[k] * samples[at + k];
  return sum;
}

function joined(first, second) {
  const both = new Float32Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

function divisor(a, b) {
  return b === 0 ? a : divisor(b, a % b);
}

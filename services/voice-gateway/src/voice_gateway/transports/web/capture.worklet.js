// On the audio thread: what the microphone hears, in frames of 40 ms as the protocol wants them.

import { RATE_HZ, loudness, toPcm16 } from "./pcm.js";
import { Resampler } from "./resampler.js";

const FRAME = (RATE_HZ * 40) / 1000;

class Capture extends AudioWorkletProcessor {
  #resampler = new Resampler(sampleRate, RATE_HZ);
  #samples = new Float32Array(FRAME);
  #filled = 0;
  #take = (sample) => this.#keep(sample);

  process([[channel]]) {
    if (channel) this.#resampler.feed(channel, this.#take);
    return true;
  }

  #keep(sample) {
    this.#samples[this.#filled++] = sample;
    if (this.#filled < FRAME) return;
    this.#filled = 0;
    const pcm = Int16Array.from(this.#samples, toPcm16).buffer; // every browser's machine is s16le
    this.port.postMessage({ pcm, level: loudness(this.#samples) }, [pcm]);
  }
}

registerProcessor("capture", Capture);

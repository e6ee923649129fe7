// Samples and their forms on the wire: floats in the browser, s16le in base64 in the protocol.

/** The protocol's one rate for PCM. */
export const RATE_HZ = 24_000;

const PIECE = 0x8000; // characters made at once; a call takes only so many arguments

/** @param {Uint8Array} bytes */
export function toBase64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += PIECE) {
    text += String.fromCharCode(...bytes.subarray(at, at + PIECE));
  }
  return btoa(text);
}

/** @param {string} base64 */
export function fromBase64(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** One sample between -1 and 1 as a 16-bit integer; what is louder is clipped. */
export function toPcm16(sample) {
  return Math.round(Math.max(-1, Math.min(1, sample)) * 32767);
}

/**
 * @param {Uint8Array} bytes s16le; an odd last byte is left out
 * @returns {Float32Array} samples between -1 and 1
 */
export function fromPcm16(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const samples = new Float32Array(bytes.length >> 1);
  for (let i = 0; i < samples.length; i++) samples[i] = view.getInt16(2 * i, true) / 32768;
  return samples;
}

/** How loud samples are, between 0 and 1: their root mean square. */
export function loudness(samples) {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return Math.sqrt(sum / (samples.length || 1));
}

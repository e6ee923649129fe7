// The page's sound: what the resampler lets through, what the wire carries.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RATE_HZ, fromBase64, fromPcm16, loudness, toBase64, toPcm16 } from "../../src/voice_gateway/transports/web/pcm.js";
import { Resampler } from "../../src/voice_gateway/transports/web/resampler.js";

function tone(hz, rateHz, seconds) {
  return Float32Array.from({ length: rateHz * seconds }, (_, i) => Math.sin((2 * Math.PI * hz * i) / rateHz));
}

function resampled(samples, fromHz, piece = 128) {
  const resampler = new Resampler(fromHz, RATE_HZ);
  const out = [];
  for (let at = 0; at < samples.length; at += piece) {
    resampler.feed(samples.subarray(at, at + piece), (sample) => out.push(sample));
  }
  return Float32Array.from(out);
}

for (const rateHz of [8_000, 16_000, 24_000, 44_100, 48_000, 96_000]) {
  test(`speech at ${rateHz} Hz arrives with its length and its loudness`, () => {
    const out = resampled(tone(440, rateHz, 1), rateHz);
    assert.ok(Math.abs(out.length - RATE_HZ) < RATE_HZ * 0.01, `${out.length} samples`);
    assert.ok(Math.abs(loudness(out.subarray(1000)) - Math.SQRT1_2) < 0.01);
  });
}

test("what the lower rate cannot carry is kept out of it", () => {
  const out = resampled(tone(15_000, 48_000, 1), 48_000);
  assert.ok(loudness(out.subarray(1000)) < 0.001, `${loudness(out.subarray(1000))}`);
});

test("how the audio is cut makes no difference", () => {
  const whole = resampled(tone(700, 44_100, 0.5), 44_100, 100_000);
  const cut = resampled(tone(700, 44_100, 0.5), 44_100, 77);
  assert.deepEqual(cut, whole);
});

test("a tone stays where it was: no sample is lost or doubled", () => {
  const out = resampled(tone(1000, 44_100, 1), 44_100);
  const wanted = tone(1000, RATE_HZ, 1);
  // The filter's middle stands on the first sample: nothing is delayed but what is not out yet.
  for (let i = 500; i < 20_000; i += 97) assert.ok(Math.abs(out[i] - wanted[i]) < 0.01, `sample ${i}`);
});

test("samples survive the wire", () => {
  const samples = [0, 0.5, -0.5, 1, -1, 3];
  const pcm = Int16Array.from(samples, toPcm16);
  assert.deepEqual([...pcm], [0, 16384, -16383, 32767, -32767, 32767]);
  const back = fromPcm16(fromBase64(toBase64(new Uint8Array(pcm.buffer))));
  back.forEach((sample, i) => assert.ok(Math.abs(sample - Math.min(1, samples[i])) < 1e-3));
});

test("an odd last byte is left out, and long audio is no trouble", () => {
  assert.equal(fromPcm16(new Uint8Array(5)).length, 2);
  const long = new Uint8Array(1_000_000).fill(200);
  assert.deepEqual(fromBase64(toBase64(long)), long);
});

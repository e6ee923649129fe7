// The playback queue on a clock of its own: what plays when, what is heard, what is thrown away.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Loudspeaker } from "../../src/voice_gateway/transports/web/loudspeaker.js";

const RATE_HZ = 1000;

class Clock {
  currentTime = 10;
  outputLatency = 0;
  sources = [];

  createGain() {
    const gain = { setValueAtTime() {}, linearRampToValueAtTime() {} };
    return { gain, connect() {} };
  }

  createBuffer(channels, length, rateHz) {
    return { duration: length / rateHz, copyToChannel() {} };
  }

  createBufferSource() {
    const source = {
      connect() {},
      start: (at) => (source.at = at),
      stop: (at) => (source.stopped = at),
    };
    this.sources.push(source);
    return source;
  }

  /** Let time pass, and everything end that ends in it. */
  pass(seconds) {
    this.currentTime += seconds;
    for (const source of this.sources) {
      const end = Math.min(source.at + source.buffer.duration, source.stopped ?? Infinity);
      if (source.over || end > this.currentTime) continue;
      source.over = true;
      source.onended();
    }
  }
}

const samples = (seconds) => new Float32Array(seconds * RATE_HZ);
const near = (got, wanted) => assert.ok(Math.abs(got - wanted) < 1e-6, `${got}, not ${wanted}`);

let clock;
let speaker;
beforeEach(() => {
  clock = new Clock();
  speaker = new Loudspeaker(clock, {}, RATE_HZ);
});

test("pieces follow each other to the sample", () => {
  near(speaker.play("a", samples(0.2)), 0.05);
  speaker.play("a", samples(0.3));
  speaker.play("b", samples(0.1));
  near(clock.sources[1].at, clock.sources[0].at + 0.2);
  near(clock.sources[2].at, clock.sources[1].at + 0.3);
});

test("it knows what was played, of the message that is being played", () => {
  speaker.play("a", samples(0.2));
  speaker.play("b", samples(0.5));
  clock.pass(0.15);
  assert.deepEqual(speaker.played, { item: "a", ms: 100 });
  clock.pass(0.3);
  assert.deepEqual(speaker.played, { item: "b", ms: 200 });
});

test("what is still on its way to the ear was not heard yet", () => {
  clock.outputLatency = 0.08;
  speaker.play("a", samples(1));
  clock.pass(0.55);
  assert.deepEqual(speaker.played, { item: "a", ms: 420 });
});

test("a flush stops everything at once and says how far it came", () => {
  speaker.play("a", samples(0.2));
  speaker.play("a", samples(0.2));
  speaker.play("a", samples(0.2));
  clock.pass(0.3);
  assert.deepEqual(speaker.flush(), { item: "a", ms: 250 });
  assert.equal(speaker.busy, false);
  for (const source of clock.sources.slice(1)) assert.ok(source.stopped < clock.currentTime + 0.02);
  assert.equal(speaker.flush(), null);
});

test("what has not sounded yet was not heard, whatever was played before it", () => {
  clock.outputLatency = 0.02;
  speaker.play("a", samples(0.2));
  clock.pass(0.15);
  assert.deepEqual(speaker.flush(), { item: "a", ms: 80 });
  speaker.play("b", samples(0.2));
  clock.pass(0.06);
  assert.deepEqual(speaker.flush(), { item: "b", ms: 0 });
});

test("paused, it keeps what was not played, and goes on where it stopped", () => {
  speaker.play("a", samples(0.4));
  clock.pass(0.15);
  speaker.pause();
  clock.pass(2);
  speaker.play("a", samples(0.2));
  assert.deepEqual(speaker.played, { item: "a", ms: 100 });
  assert.equal(clock.sources.length, 1, "nothing begins while it is paused");
  speaker.resume();
  near(clock.sources[1].buffer.duration, 0.3);
  near(clock.sources[2].at, clock.sources[1].at + 0.3);
  clock.pass(0.45);
  assert.deepEqual(speaker.played, { item: "a", ms: 500 });
});

test("interrupted while paused, it says what was heard before", () => {
  speaker.play("a", samples(0.4));
  clock.pass(0.25);
  speaker.pause();
  clock.pass(1);
  assert.deepEqual(speaker.flush(), { item: "a", ms: 200 });
  assert.equal(speaker.paused, false);
  near(speaker.play("b", samples(0.1)), 0.05);
});

test("it says when it has fallen silent, and not before", () => {
  let silent = 0;
  speaker.onidle = () => silent++;
  speaker.play("a", samples(0.2));
  speaker.play("a", samples(0.2));
  clock.pass(0.3);
  assert.equal(silent, 0);
  clock.pass(0.2);
  assert.equal(silent, 1);
  assert.deepEqual(speaker.played, { item: "a", ms: 400 });
});

test("a message that ran dry goes on counting where it was", () => {
  speaker.play("a", samples(0.2));
  clock.pass(1);
  speaker.play("a", samples(0.2));
  clock.pass(0.15);
  assert.deepEqual(speaker.played, { item: "a", ms: 300 });
});

test("nothing to play is nothing played", () => {
  assert.equal(speaker.play("a", samples(0)), 0);
  assert.equal(speaker.busy, false);
});

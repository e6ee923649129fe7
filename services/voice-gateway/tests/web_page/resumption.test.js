// What is kept of a call, so that the next connection goes on with it.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Resumption } from "../../src/voice_gateway/transports/web/resumption.js";

let kept;
beforeEach(() => {
  kept = new Resumption(10);
  kept.take({ type: "session.created", sequence: 1, resumption: { token: "t1", window_ms: 30_000 } });
});

test("the newest token counts, and the newest event", () => {
  assert.deepEqual([kept.token, kept.windowMs, kept.received], ["t1", 30_000, 1]);
  kept.take({ type: "response.done", sequence: 17 });
  kept.take({ type: "gateway.reconnected", token: "t2", window_ms: 20_000, taken_events: 0 });
  assert.deepEqual([kept.token, kept.windowMs, kept.received], ["t2", 20_000, 17]);
});

test("what the gateway has not taken is sent again", () => {
  for (const frame of ["a", "b", "c"]) kept.send(frame);
  assert.deepEqual([kept.unsent(0), kept.unsent(2), kept.unsent(3)], [["a", "b", "c"], ["c"], []]);
});

test("the oldest goes where there is too much, and is known to be missing", () => {
  for (const frame of ["aaaa", "bbbb", "cccc"]) kept.send(frame);
  assert.deepEqual([kept.reaches(0), kept.reaches(1), kept.reaches(3), kept.reaches(4)], [false, true, true, false]);
  assert.deepEqual(kept.unsent(1), ["bbbb", "cccc"]);
});

test("what came is acknowledged now and then, and only once", () => {
  assert.deepEqual(kept.acknowledgement(0), { type: "gateway.acknowledge", sequence: 1 });
  assert.equal(kept.acknowledgement(1000), null);
  kept.take({ type: "response.done", sequence: 2 });
  assert.equal(kept.acknowledgement(499), null);
  assert.deepEqual(kept.acknowledgement(500), { type: "gateway.acknowledge", sequence: 2 });
});

test("a gateway that keeps no call is told nothing, and nothing is kept for it", () => {
  kept = new Resumption();
  kept.take({ type: "session.created" });
  kept.send("a");
  assert.equal(kept.acknowledgement(0), null);
  assert.deepEqual(kept.unsent(0), []);
});

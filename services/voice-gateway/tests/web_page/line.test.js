// The line: what it calls each failure, when it tries again, when it gives up.

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { Line } from "../../src/voice_gateway/transports/web/line.js";

/** Every socket that was opened, and what a plain request is answered. */
let sockets;
let answer;

class Socket {
  bufferedAmount = 0;
  sent = [];

  constructor(url, protocols) {
    if (protocols.some((name) => /[^\x21-\x7e]/.test(name))) throw new SyntaxError("bad subprotocol");
    Object.assign(this, { url: String(url), protocols });
    sockets.push(this);
  }

  send(frame) {
    this.sent.push(JSON.parse(frame));
  }

  close(code) {
    this.closed = true;
    this.code = code;
  }

  says(event) {
    this.onmessage({ data: JSON.stringify(event) });
  }
}

async function settled() {
  for (let i = 0; i < 5; i++) await Promise.resolve();
}

function fetched() {
  return typeof answer === "number" ? Promise.resolve({ status: answer }) : Promise.reject(answer);
}

let line;
beforeEach(() => {
  sockets = [];
  answer = 426;
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  globalThis.WebSocket = Socket;
  globalThis.fetch = mock.fn(fetched);
  line = new Line(new URL("http://gateway.test/v1/realtime?events=all"));
});

function opened() {
  line.open();
  sockets.at(-1).says({ type: "session.created" });
}

test("it is open when the server has said so, and speaks then", () => {
  line.open();
  assert.equal(line.state, "opening");
  assert.equal(line.send({ type: "x" }), false);
  sockets[0].says({ type: "session.created" });
  assert.equal(line.state, "open");
  assert.ok(line.send({ type: "x" }));
  assert.deepEqual(sockets[0].sent, [{ type: "x" }]);
  assert.equal(sockets[0].url, "ws://gateway.test/v1/realtime?events=all");
});

test("a key goes in a subprotocol; over https, the socket is one of TLS", () => {
  line = new Line(new URL("https://gateway.test/v1/realtime"));
  line.open("secret");
  assert.ok(sockets[0].url.startsWith("wss://"));
  assert.deepEqual(sockets[0].protocols, ["realtime", "openai-insecure-api-key.secret"]);
});

for (const [code, name, state] of [
  [1006, "lost", "waiting"],
  [1012, "stopping", "waiting"],
  [1013, "busy", "waiting"],
  [1001, "silent", "closed"],
  [1008, "ended", "closed"],
  [3000, "key-refused", "closed"],
  [1000, "ended", "closed"],
]) {
  test(`closed with ${code}, it is ${state}: ${name}`, () => {
    opened();
    sockets[0].onclose({ code, reason: "" });
    assert.equal(line.fault.name, name);
    assert.equal(line.state, state);
  });
}

test("the server's own words come with a fault", () => {
  opened();
  sockets[0].says({ type: "error", error: { message: "2 calls are running" } });
  sockets[0].onclose({ code: 1013, reason: "" });
  assert.equal(line.fault.said, "2 calls are running");
});

test("a busy gateway is asked again no sooner than it has said", () => {
  opened();
  sockets[0].says({ type: "error", error: { message: "full", retry_after_s: 60 } });
  sockets[0].onclose({ code: 1013, reason: "" });
  assert.ok(line.retryAt - performance.now() > 59_000);
});

for (const [status, key, name, state] of [
  [401, "", "key-needed", "closed"],
  [401, "wrong", "key-refused", "closed"],
  [403, "", "origin", "closed"],
  [426, "", "blocked", "waiting"],
  [429, "", "busy", "waiting"],
  [503, "", "busy", "waiting"],
  [502, "", "unreachable", "waiting"],
  [new TypeError("no network"), "", "unreachable", "waiting"],
]) {
  test(`never open, and a plain request gives ${status}: ${name}`, async () => {
    answer = status;
    line.open(key);
    sockets[0].onclose({ code: 1006, reason: "" });
    await settled();
    assert.equal(line.fault.name, name);
    assert.equal(line.state, state);
  });
}

test("a key that no browser can send is refused without asking", () => {
  line.open("a key");
  assert.deepEqual([line.state, line.fault.name], ["closed", "key-refused"]);
});

test("it waits longer each time, and never more than some seconds", async () => {
  answer = new TypeError("down");
  line.open();
  const waits = [];
  for (let i = 0; i < 8; i++) {
    sockets.at(-1).onclose({ code: 1006, reason: "" });
    await settled();
    waits.push((line.retryAt - performance.now()) / 1000);
    mock.timers.tick(20_000);
    assert.equal(sockets.length, i + 2);
  }
  [0.5, 1, 2, 4, 8, 15, 15, 15].forEach((wait, i) => {
    assert.ok(waits[i] > wait * 0.79 && waits[i] < wait * 1.21, `${waits[i]} for ${wait}`);
  });
});

test("what fails after it was open once is a lost connection", async () => {
  answer = new TypeError("down");
  opened();
  sockets[0].onclose({ code: 1006, reason: "" });
  line.retry();
  sockets[1].onclose({ code: 1006, reason: "" });
  await settled();
  assert.equal(line.fault.name, "lost");
});

test("a server that takes the connection and says nothing is given up", () => {
  line.open();
  mock.timers.tick(10_000);
  assert.deepEqual([line.state, line.fault.name], ["waiting", "unreachable"]);
  assert.ok(sockets[0].closed);
});

test("hung up, it does not come back", async () => {
  answer = new TypeError("down");
  line.open();
  const socket = sockets[0];
  const closed = socket.onclose;
  closed({ code: 1006, reason: "" }); // and while it is being found out why...
  line.close();
  await settled();
  mock.timers.tick(60_000);
  assert.deepEqual([line.state, line.fault, sockets.length], ["closed", null, 1]);
});

test("a network that takes nothing any more is a lost one", () => {
  opened();
  sockets[0].bufferedAmount = 2_000_000;
  assert.equal(line.send({ type: "x" }), false);
  assert.deepEqual([line.state, line.fault.name], ["waiting", "lost"]);
});

test("when the browser says that the network is gone, nobody waits for TCP", () => {
  opened();
  line.drop();
  assert.equal(line.state, "waiting");
  line.retry();
  assert.equal(sockets.length, 2);
});

// A call that the gateway keeps while its connection is lost.

const ADDRESS = "ws://gateway.test/v1/realtime?events=all";

function begun({ token = "t1", window_ms = 30_000 } = {}) {
  line.open();
  sockets.at(-1).says({ type: "session.created", sequence: 1, resumption: { token, window_ms } });
  return sockets.at(-1);
}

const asked = ({ sent }) => sent.filter(({ type }) => type !== "gateway.acknowledge").map(({ type }) => type);
const back = (taken_events, token = "t2") => ({ type: "gateway.reconnected", token, window_ms: 30_000, taken_events });

/** The connection breaks; the first try to go on is made at once. */
function broken(code = 1006) {
  sockets.at(-1).onclose({ code, reason: "" });
  mock.timers.tick(1);
  return sockets.at(-1);
}

test("a lost call is gone on with at once, from the event after the last", () => {
  const events = [];
  line.onevent = ({ type, sequence }) => events.push(sequence ?? type);
  const states = [];
  line.onchange = () => states.push(line.state);
  begun().says({ type: "response.created", sequence: 2 });
  const next = broken();
  assert.equal(next.url, `${ADDRESS}&received=2`);
  assert.deepEqual(next.protocols, ["realtime", "voice-gateway-resume.t1"]);
  next.says(back(1));
  next.says({ type: "response.done", sequence: 3 });
  assert.deepEqual(events, [1, 2, "gateway.reconnected", 3]);
  assert.deepEqual(states, ["opening", "open", "resuming", "open"]);
  assert.equal(line.fault, null);
  assert.equal(line.beganAnew, false);
  broken();
  mock.timers.tick(400); // a connection that did not last is followed less hastily
  assert.deepEqual(sockets.at(-1).protocols, ["realtime", "voice-gateway-resume.t2"]);
});

test("what is said meanwhile, and what was lost on the way, is sent once", () => {
  const first = begun(); // which was told an acknowledgement
  line.send({ type: "a" });
  line.send({ type: "b" });
  const next = broken();
  assert.ok(line.send({ type: "c" }));
  assert.deepEqual([asked(first), asked(next)], [["a", "b"], []]);
  next.says(back(2));
  line.send({ type: "d" });
  assert.deepEqual(asked(next), ["b", "c", "d"]);
});

test("who returns does not hang up, and who hangs up does", () => {
  const first = begun();
  line.drop();
  assert.deepEqual([first.code, line.state], [4000, "resuming"]);
  mock.timers.tick(1);
  line.close();
  assert.deepEqual([sockets.at(-1).code, line.state], [undefined, "closed"]);
});

test("a gateway that cannot go on begins anew, and the caller is told", () => {
  const states = [];
  begun();
  const next = broken();
  line.onchange = () => states.push(line.state);
  next.says({ type: "gateway.resync" });
  next.says({ type: "session.created", sequence: 1, resumption: { token: "n1", window_ms: 30_000 } });
  assert.deepEqual(states, ["opening", "open"]); // what was under way ends in between
  assert.ok(line.beganAnew);
  assert.equal(broken().url, `${ADDRESS}&received=1`);
});

test("a gateway that goes and says so is left for the next one, without a word", () => {
  begun().says({ type: "gateway.move", sequence: 2 });
  const next = broken(1012);
  next.says({ type: "gateway.resync" });
  next.says({ type: "session.created", sequence: 1, resumption: { token: "n1", window_ms: 30_000 } });
  assert.deepEqual([line.state, line.beganAnew], ["open", false]);
});

test("what the page keeps no more cannot be gone on with: a call begins anew", () => {
  begun();
  for (let i = 0; i < 60; i++) line.send({ type: "audio", audio: "x".repeat(100_000) });
  broken().says(back(1));
  assert.equal(line.state, "opening");
  assert.deepEqual(sockets.at(-1).protocols, ["realtime"]);
  sockets.at(-1).says({ type: "session.created" });
  assert.ok(line.beganAnew);
});

test("after the window, the connection is a lost one as ever", async () => {
  answer = new TypeError("down");
  const now = mock.method(performance, "now", () => 0);
  begun();
  broken();
  now.mock.mockImplementation(() => 29_000);
  sockets.at(-1).onclose({ code: 1006, reason: "" });
  await settled();
  assert.equal(line.state, "resuming");
  mock.timers.tick(5_000);
  now.mock.mockImplementation(() => 31_000);
  sockets.at(-1).onclose({ code: 1006, reason: "" });
  await settled();
  now.mock.restore();
  assert.deepEqual([line.state, line.fault.name], ["waiting", "lost"]);
  line.retry();
  assert.deepEqual([sockets.at(-1).url, sockets.at(-1).protocols], [ADDRESS, ["realtime"]]);
});

for (const [status, state] of [
  [503, "resuming"], // as a proxy says while gateways are replaced
  [502, "resuming"],
  [401, "closed"],
]) {
  test(`a try that is refused with ${status} leaves it ${state}`, async () => {
    answer = status;
    begun();
    broken().onclose({ code: 1006, reason: "" });
    await settled();
    assert.equal(line.state, state);
  });
}

test("a call that is let go for another is not gone on with", () => {
  begun();
  broken(1013);
  assert.deepEqual([line.state, line.fault.name], ["waiting", "busy"]);
});

test("a try that gets no answer is given up soon, and made again", () => {
  begun();
  broken();
  mock.timers.tick(5_000);
  assert.equal(line.state, "resuming");
  mock.timers.tick(400);
  assert.equal(sockets.length, 3);
});

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

  close() {
    this.closed = true;
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

// A voice conversation through OpenAI's own JavaScript SDK, unmodified: what it heard, as JSON.
//   node talk.mjs ws://HOST:PORT/v1/realtime?model=m QUESTION.pcm COMMAND.pcm   (s16le at 24 kHz)
import { readFileSync } from 'node:fs';
import { OpenAIRealtimeWebSocket, RealtimeAgent, RealtimeSession, tool } from '@openai/agents-realtime';
import { z } from 'zod';

const PATIENCE_MS = 80_000;
const [url, ...files] = process.argv.slice(2);
const [question, command] = files.map((file) => readFileSync(file));
const seen = { asked: [], errors: [], events: [], heardBytes: 0, interrupted: 0 };

const goForward = tool({
  name: 'go_forward',
  description: 'Move the robot.',
  parameters: z.object({ meters: z.number() }),
  execute: async ({ meters }) => {
    seen.asked.push(meters);
    return `moved ${meters} meters`;
  },
});

const agent = new RealtimeAgent({
  name: 'robot',
  instructions: 'You steer a robot.',
  tools: [goForward],
});
const transport = new OpenAIRealtimeWebSocket({ url });
const session = new RealtimeSession(agent, { transport, model: 'm' });
session.on('error', (error) => seen.errors.push(JSON.stringify(error.error ?? error)));
session.on('audio_interrupted', () => (seen.interrupted += 1));
session.on('audio', (audio) => (seen.heardBytes += audio.data.byteLength));

// A microphone never stops: what is to be said, and silence around it.
const saying = [];
const microphone = setInterval(() => {
  const piece = saying.shift() ?? Buffer.alloc(4800);
  session.sendAudio(piece.buffer.slice(piece.byteOffset, piece.byteOffset + piece.byteLength));
}, 100);
const say = (pcm) => {
  for (let at = 0; at < pcm.length; at += 4800) saying.push(pcm.subarray(at, at + 4800));
};

const waiting = [];
const until = (wanted) => new Promise((resolve) => waiting.push({ wanted, resolve }));
transport.on('*', (event) => {
  seen.events.push(event.type);
  for (const one of waiting.filter(({ wanted }) => wanted(event))) {
    waiting.splice(waiting.indexOf(one), 1);
    one.resolve(event);
  }
});
const ended = (status) => (event) =>
  event.type === 'response.done' && event.response.status === status;
const spoke = (event) =>
  event.type === 'response.done' && event.response.output.some((item) => item.type === 'message')
    && event.response.status === 'completed';

setTimeout(() => {
  console.error('the conversation got stuck:', JSON.stringify(seen));
  process.exit(1);
}, PATIENCE_MS).unref();

await session.connect({ apiKey: 'x', url });
const sounds = until((event) => event.type === 'response.output_audio.delta');
say(question);
await sounds;
const cancelled = until(ended('cancelled'));
const answered = until(spoke);
say(command);
await cancelled;
await answered;
seen.history = session.history.map((item) => ({ ...item, content: item.content ?? [] }));
clearInterval(microphone);
session.close();
console.log(JSON.stringify(seen));

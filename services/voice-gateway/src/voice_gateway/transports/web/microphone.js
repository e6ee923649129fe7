// The caller's microphone: asked for, listened to, given back.

import { fault, microphoneFault } from "./faults.js";

export class Microphone {
  /** Called with every 40 ms: `{pcm: ArrayBuffer, level: number}`. */
  onframe = (frame) => {};
  /** Called when the device is gone, or the caller has taken it away. */
  onlost = () => {};

  #stream = null;
  #context = null;

  get open() {
    return this.#stream !== null;
  }

  /** The browser takes the loudspeaker's sound out of the microphone's, as it was asked to. */
  get cancelsEcho() {
    return Boolean(this.#stream?.getAudioTracks()[0]?.getSettings?.().echoCancellation);
  }

  /** Ask for it; throws a fault. */
  async start() {
    checkSupport();
    const stream = await asked();
    try {
      await this.#listen(stream);
    } catch (error) {
      stream.getTracks().forEach((track) => track.stop());
      throw error.title ? error : fault("unsupported", String(error));
    }
  }

  stop() {
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#context?.close();
    this.#stream = this.#context = null;
  }

  /** Listen on, where the browser has stopped it. */
  wake() {
    this.#context?.resume();
  }

  async #listen(stream) {
    // A context of its own, at the device's rate: not every browser resamples between the two.
    const context = new AudioContext({ latencyHint: "interactive" });
    await context.audioWorklet.addModule(new URL("capture.worklet.js", import.meta.url));
    const mono = { channelCount: 1, channelCountMode: "explicit" };
    const capture = new AudioWorkletNode(context, "capture", mono);
    capture.port.onmessage = ({ data }) => this.onframe(data);
    // Some browsers run only nodes that lead to the output; the output of this one is silence.
    context.createMediaStreamSource(stream).connect(capture).connect(context.destination);
    await context.resume();
    stream.getAudioTracks()[0].onended = () => this.#lost();
    this.#stream = stream;
    this.#context = context;
  }

  #lost() {
    this.stop();
    this.onlost();
  }
}

function checkSupport() {
  if (!isSecureContext) throw fault("insecure");
  if (!navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode) throw fault("unsupported");
}

async function asked() {
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: {
        channelCount: 1,
        echoCancellation: true,
        noiseSuppression: true,
        autoGainControl: true,
      },
    });
  } catch (error) {
    throw microphoneFault(error);
  }
}

// Which of the services behind the gateway do not answer: as it says when asked, and as failures show.

const ASK_MS = 5_000;
const DOUBT_MS = 40_000; // the gateway looks every half minute, and may not have noticed yet
const FAILED = /^(asr|llm|tts)_(unavailable|timed_out|misconfigured)$/;
const TRANSCRIBED = "conversation.item.input_audio_transcription.completed";

/** @typedef {"llm" | "tts" | "asr"} Stage */

/** @type {Record<Stage, {name: string, hint: string}>} the gravest first */
const STAGES = {
  llm: { name: "The language model", hint: "It hears you, and cannot answer. It is tried again all the time." },
  tts: { name: "The voice", hint: "You can talk or write; answers are shown, and not heard." },
  asr: { name: "Speech recognition", hint: "It cannot understand you just now. Write below instead." },
};

export class Services {
  /** Called when a service has gone or come back. */
  onchange = () => {};
  /** The key that the gateway may ask for; "": none is known. */
  key = () => "";

  #address;
  #now;
  #refused = null; // the key that was not accepted, which is not tried again
  /** @type {Set<Stage>} */
  #down = new Set();
  /** @type {Map<Stage, number>} until when a service that failed is not believed to be up */
  #failed = new Map();

  /** @param {URL} address of the gateway's account of itself */
  constructor(address, now = () => performance.now()) {
    this.#address = address;
    this.#now = now;
  }

  /** Ask now, and again and again while the page is seen. */
  watch() {
    this.ask();
    setInterval(() => document.hidden || this.ask(), ASK_MS);
  }

  async ask() {
    const key = this.key();
    if (key === this.#refused) return;
    const headers = key ? { Authorization: `Bearer ${key}` } : {};
    try {
      const answer = await fetch(this.#address, { headers, cache: "no-store", signal: AbortSignal.timeout(ASK_MS) });
      this.#refused = answer.status === 401 ? key : null;
      if (answer.ok) this.told((await answer.json()).down ?? []);
    } catch {
      // That the gateway does not answer is the line's to say.
    }
  }

  /** The gateway says that these are down, and no others. */
  told(down) {
    const before = this.#shown();
    for (const stage of this.#down) if (!down.includes(stage)) this.#failed.delete(stage);
    this.#down = new Set(down);
    this.#tell(before);
  }

  /** Take in what the server says: a service that fails is down, one that works is up. */
  take(event) {
    const before = this.#shown();
    if (event.type === "error") this.#fail(event.error.code);
    else if (event.type === TRANSCRIBED && event.transcript) this.#works("asr");
    else if (event.type === "response.done") this.#answered(event.response);
    this.#tell(before);
  }

  /** @returns {Stage[]} those that do not answer, the gravest first */
  get down() {
    const doubted = (stage) => (this.#failed.get(stage) ?? 0) > this.#now();
    return Object.keys(STAGES).filter((stage) => this.#down.has(stage) || doubted(stage));
  }

  /** What a person is told of it: a headline, and what can be done; null where all answer. */
  get trouble() {
    const down = this.down;
    if (!down.length) return null;
    const lower = (name) => name[0].toLowerCase() + name.slice(1);
    const names = down.map((stage, n) => (n ? lower(STAGES[stage].name) : STAGES[stage].name));
    const who = names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)} do` : `${names[0]} does`;
    return [`${who} not answer`, STAGES[down[0]].hint];
  }

  #answered({ status, status_details, output_modalities }) {
    if (status === "failed") this.#fail(status_details?.error?.code);
    if (status !== "completed") return;
    this.#works("llm");
    if (output_modalities?.includes("audio")) this.#works("tts");
  }

  #fail(code) {
    const stage = FAILED.exec(code ?? "")?.[1];
    if (stage) this.#failed.set(stage, this.#now() + DOUBT_MS);
  }

  #works(stage) {
    this.#failed.delete(stage);
    this.#down.delete(stage);
  }

  #shown() {
    return this.down.join();
  }

  #tell(before) {
    if (this.#shown() !== before) this.onchange();
  }
}

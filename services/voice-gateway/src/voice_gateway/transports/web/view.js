// The page as a picture of the call: reads its state, writes the document, decides nothing.

const FLOOR = {
  nobody: ["Listening", "Say something, or write below."],
  you: ["You have the floor", "It waits until you have finished."],
  thinking: ["Thinking", "The answer is on its way."],
  voice: ["The voice has the floor", "Talk over it to interrupt."],
  paused: ["Holding on", "It heard you, and goes on if that was nothing."],
};
const BY_HAND = {
  nobody: ["Your turn", "Hold the button or the space bar while you speak."],
  you: ["You have the floor", "Let go when you have finished."],
  voice: ["The voice has the floor", "Hold the button to interrupt."],
};
const TYPING = ["Connected", "Write below, or press Talk."];
const STOPPED = "Write something else, or press Esc, to stop it.";
const STAGES = { endpoint: "end of turn", model: "model", clause: "first clause", voice: "voice" };
const SHORT = {
  max_output_tokens: "Cut short: the answer is as long as it may be.",
  content_filter: "Cut short: the model's filter withheld the rest.",
};
const WHO = { you: "You", voice: "Voice", trouble: "Trouble" };
const LINE = { closed: "Not connected", opening: "Connecting…", open: "Connected", resuming: "Reconnecting…" };
const RESUMING = ["Connection lost – reconnecting…", "What you say is kept, and the answer goes on."];

const $ = (id) => document.getElementById(id);

export class View {
  #call;
  #services;
  /** @type {Map<string, HTMLElement>} */
  #shown = new Map();
  #announced = "";
  #state = "closed";
  #read = new Set();

  constructor(call, services) {
    this.#call = call;
    this.#services = services;
  }

  show() {
    this.#showTranscript();
    this.#showStage();
    this.#showButtons();
    this.#showFault();
  }

  // The conversation.

  #showTranscript() {
    const list = $("transcript");
    const { entries } = this.#call.conversation;
    const follows = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
    list.hidden = !entries.length;
    $("intro").hidden = Boolean(entries.length);
    this.#forget(new Set(entries.map((entry) => entry.key)));
    for (const entry of entries) update(this.#itemOf(entry), entry);
    if (follows) list.scrollTop = list.scrollHeight;
    this.#readOut(entries.at(-1));
  }

  #forget(kept) {
    for (const [key, item] of this.#shown) {
      if (kept.has(key)) continue;
      item.remove();
      this.#shown.delete(key);
    }
  }

  #itemOf(entry) {
    let item = this.#shown.get(entry.key);
    if (!item) {
      item = $("transcript").appendChild(newItem(entry));
      this.#shown.set(entry.key, item);
    }
    return item;
  }

  /** Answers that are not spoken are read out by whatever reads the page out. */
  #readOut(entry) {
    if (entry?.who !== "voice" || entry.state === "open" || this.#call.wishes.aloud) return;
    if (this.#read.has(entry.key)) return;
    this.#read.add(entry.key);
    this.#announce(entry.text);
  }

  // Who has the floor.

  #showStage() {
    const [text, hint] = this.#said();
    write($("floor-text"), text);
    write($("hint"), hint);
    write($("line-text"), this.#lineText());
    document.body.dataset.floor = this.#call.conversation.floor;
    document.body.dataset.line = this.#call.line.state;
    document.body.dataset.talking = String(this.#call.talking);
    document.body.dataset.down = this.#services.down.join(" ");
    this.#sayState();
  }

  /** Read out what the line and the microphone do; who has the floor changes too often for that. */
  #sayState() {
    const { line, talking, muted } = this.#call;
    const microphone = talking ? (muted ? "Muted." : "Listening.") : "";
    const trouble = this.#services.trouble;
    const well = trouble ? trouble.join(". ") : `Connected. ${microphone}`;
    const state = line.state === "open" ? well : line.state;
    if (state === this.#state) return;
    this.#state = state;
    if (line.state !== "waiting") this.#announce(line.state === "open" ? state : LINE[line.state]);
  }

  #said() {
    const { line, conversation, talking, muted, wishes, asking } = this.#call;
    if (asking) return ["May it listen?", "Your browser asks you for the microphone."];
    if (line.state === "waiting") return [this.#lineText(), "What was said is kept."];
    if (line.state === "opening") return ["Connecting…", "One moment."];
    if (line.state === "resuming") return RESUMING;
    const { floor, interim } = conversation;
    const idle = line.state === "closed" || floor === "nobody";
    if (idle && this.#services.trouble) return this.#services.trouble;
    if (line.state === "closed") return ["Ready when you are", "Press Talk, or write below."];
    const [text, hint] = (talking && wishes.byHand && BY_HAND[floor]) || FLOOR[floor];
    if (interim && (floor === "voice" || floor === "paused")) return [text, `“${interim}”`];
    if (!talking) return floor === "nobody" ? TYPING : [text, floor === "voice" ? STOPPED : hint];
    if (floor !== "nobody") return [text, hint];
    return muted ? ["Muted", "It hears nothing until you unmute."] : [text, hint];
  }

  #lineText() {
    const { line } = this.#call;
    if (line.state === "open" && this.#services.trouble) return "Connected, not ready";
    if (line.state !== "waiting") return LINE[line.state];
    const wait_s = Math.max(0, Math.ceil((line.retryAt - performance.now()) / 1000));
    return `Trying again in ${wait_s} s`;
  }

  #announce(text) {
    if (text === this.#announced) return;
    this.#announced = text;
    write($("announcer"), text);
  }

  // What can be done.

  #showButtons() {
    const { conversation, line, talking, muted, wishes, holding, asking } = this.#call;
    const talk = $("talk");
    talk.disabled = asking || line.state === "opening" || (talking && line.state === "waiting");
    write($("talk-text"), talking ? (wishes.byHand ? "Hold" : muted ? "Unmute" : "Mute") : "Talk");
    talk.dataset.does = talking ? (wishes.byHand ? "hold" : "mute") : "talk";
    toggle(talk, "aria-pressed", talking ? String(wishes.byHand ? holding : muted) : null);
    const sounds = ["voice", "paused"].includes(conversation.floor) || Boolean(conversation.response);
    $("stop").hidden = !sounds;
    $("hang-up").hidden = line.state === "closed";
  }

  #showFault() {
    const fault = this.#call.line.fault ?? this.#call.fault;
    const box = $("fault");
    if (!fault) {
      box.hidden = true;
      return;
    }
    write($("fault-title"), fault.title);
    write($("fault-advice"), fault.advice);
    write($("fault-said"), fault.said);
    $("fault-said").hidden = !fault.said;
    $("fault-remedy").hidden = !fault.remedy;
    write($("fault-remedy"), { retry: "Try now", key: "Enter key", talk: "Start again" }[fault.remedy] ?? "");
    $("fault-remedy").dataset.remedy = fault.remedy ?? "";
    box.dataset.fault = fault.name;
    box.hidden = false;
  }
}

function newItem({ who, typed }) {
  const item = document.createElement("li");
  item.className = who;
  const name = item.appendChild(document.createElement("b"));
  name.textContent = typed ? `${WHO[who]}, in writing` : WHO[who];
  const said = item.appendChild(document.createElement("p"));
  said.append(document.createElement("span"), document.createElement("s"));
  return item;
}

/** Write only what has changed: the reader may have selected some of it. */
function update(item, entry) {
  const [heard, unheard] = split(entry);
  const [said, lost] = item.querySelector("p").children;
  write(said, heard || (entry.state === "open" ? "…" : ""));
  write(lost, unheard);
  item.dataset.state = entry.state;
  if (entry.ms && !item.querySelector("details")) item.append(latency(entry.ms));
  else if (entry.waited && entry.state === "cut" && !item.querySelector("small")) item.append(wait(entry));
  if (entry.short && !item.querySelector("em")) item.querySelector("p").append(shortened(entry));
}

/** An answer that ended before the model was done with it says why. */
function shortened({ short }) {
  const why = document.createElement("em");
  why.textContent = SHORT[short] ?? "Cut short.";
  return why;
}

/** What was heard of an answer that was cut off, and what was not. */
function split({ text, state, heard }) {
  if (state !== "cut" || heard === undefined || !text.startsWith(heard)) return [text, ""];
  return [heard, text.slice(heard.length)];
}

/** An answer that was cut off has no account of its stages; how long it took was heard here. */
function wait({ waited }) {
  const small = document.createElement("small");
  small.textContent = `${waited.toFixed(2)} s`;
  return small;
}

function latency(ms) {
  const details = document.createElement("details");
  const summary = details.appendChild(document.createElement("summary"));
  summary.textContent = `${(ms.total / 1000).toFixed(2)} s`;
  summary.setAttribute("aria-label", `answered after ${summary.textContent}; where it went`);
  const list = details.appendChild(document.createElement("dl"));
  for (const [stage, name] of Object.entries(STAGES)) {
    if (ms[stage] === null || ms[stage] === undefined) continue;
    const row = list.appendChild(document.createElement("div"));
    row.style.setProperty("--share", String(ms[stage] / Math.max(1, ms.total)));
    row.appendChild(document.createElement("dt")).textContent = name;
    row.appendChild(document.createElement("dd")).textContent = `${ms[stage]} ms`;
  }
  const sum = Object.keys(STAGES).reduce((total, stage) => total + (ms[stage] ?? 0), 0);
  if (sum > 1.1 * ms.total) {
    details.appendChild(document.createElement("p")).textContent = "Partly done while you were finishing.";
  }
  return details;
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function toggle(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else element.setAttribute(name, value);
}

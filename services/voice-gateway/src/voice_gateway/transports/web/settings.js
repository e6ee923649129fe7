// What the caller has chosen: shown, kept, and used for the next words.

const KEPT = "voice-gateway-wishes"; // in the browser, until it is cleared
const KEY = "voice-gateway-key"; // in the tab, until it is closed

/** @typedef {import("./call.js").Wishes} Wishes */

/** @type {Wishes} */
const USUAL = { language: "", voice: "", byHand: false, aloud: true };

export class Settings {
  #dialog = document.getElementById("settings");
  #form = this.#dialog.querySelector("form");
  #choices = { languages: [], voices: {}, language: "", voice: "", needs_key: false };
  #known = false;

  /** Called when the dialog is closed, with what was chosen. */
  onchange = (wishes) => {};

  constructor() {
    this.#dialog.addEventListener("close", () => this.#chosen());
    this.#form.language.addEventListener("change", () => this.#offerVoices());
    this.#form.key.addEventListener("change", () => this.#unlock());
    // The dialog's own ground is the form: a click beside it is one on the dialog itself.
    this.#dialog.addEventListener("click", ({ target }) => target === this.#dialog && this.#dialog.close());
  }

  /** @returns {Wishes} */
  get wishes() {
    return { ...USUAL, ...JSON.parse(kept(localStorage, KEPT) || "{}") };
  }

  get key() {
    return kept(sessionStorage, KEY);
  }

  /** Ask the gateway what there is to choose from, unless it has said so. */
  async learn() {
    if (this.#known) return;
    const headers = this.key ? { Authorization: `Bearer ${this.key}` } : {};
    try {
      const answer = await fetch("choices", { headers, cache: "no-store" });
      if (answer.status === 401) this.#choices.needs_key = true;
      if (!answer.ok) return;
      this.#choices = await answer.json();
      this.#known = this.#choices.languages.length > 0;
    } catch {
      // Without it, the gateway's own language and voice are what there is.
    }
  }

  async show(field = "") {
    await this.learn();
    this.#fill();
    this.#dialog.showModal();
    if (field) this.#form[field].focus();
  }

  #fill() {
    const wishes = this.wishes;
    this.#offerLanguages();
    this.#offerVoices();
    this.#form.turns.value = wishes.byHand ? "held" : "free";
    this.#form.aloud.checked = wishes.aloud;
    this.#form.key.value = this.key;
    document.getElementById("key-field").hidden = !this.#choices.needs_key && !this.key;
  }

  /** With a key that was typed in, the gateway may say what there is to choose from. */
  async #unlock() {
    keep(sessionStorage, KEY, this.#form.key.value.trim());
    await this.learn();
    if (!this.#known) return;
    this.#offerLanguages();
    this.#offerVoices();
  }

  #offerLanguages() {
    const { languages, language } = this.#choices;
    const named = languages.filter((tag) => tag !== language);
    const own = [["", languageName(language) || "The gateway’s own"]];
    offer(this.#form.language, [...own, ...named.map((tag) => [tag, languageName(tag)])], this.wishes.language);
  }

  #offerVoices() {
    const { voices, voice, language } = this.#choices;
    const names = voices[this.#form.language.value || language] ?? [];
    const own = voice ? `${shortName(voice)} (usual)` : "The usual one";
    const others = names.filter((name) => name !== voice).map((name) => [name, shortName(name)]);
    offer(this.#form.voice, [["", own], ...others], this.wishes.voice);
  }

  #chosen() {
    const { language, voice, turns, aloud, key } = this.#form;
    const wishes = {
      language: language.value,
      voice: voice.value,
      byHand: turns.value === "held",
      aloud: aloud.checked,
    };
    keep(localStorage, KEPT, JSON.stringify(wishes));
    keep(sessionStorage, KEY, key.value.trim());
    this.onchange(wishes);
  }
}

function offer(select, options, chosen) {
  select.replaceChildren(...options.map(([value, name]) => new Option(name, value)));
  select.value = options.some(([value]) => value === chosen) ? chosen : "";
  select.disabled = options.length < 2;
}

function languageName(tag) {
  if (!tag) return "";
  try {
    return new Intl.DisplayNames(undefined, { type: "language" }).of(tag);
  } catch {
    return tag;
  }
}

/** A voice is called by what comes after its model's name. */
function shortName(voice) {
  return voice.split(".").slice(1).join(" ") || voice;
}

function kept(storage, name) {
  try {
    return storage.getItem(name) ?? "";
  } catch {
    return ""; // storage is switched off
  }
}

function keep(storage, name, value) {
  try {
    storage.setItem(name, value);
  } catch {
    // Then it holds for as long as the page is open.
  }
}

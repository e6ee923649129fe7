// Connects the page's parts with each other and with the caller's keys and clicks.

import { Call } from "./call.js";
import { Services } from "./services.js";
import { Settings } from "./settings.js";
import { Tape } from "./tape.js";
import { View } from "./view.js";

const $ = (id) => document.getElementById(id);

const settings = new Settings();
const call = new Call(new URL("v1/realtime?events=all&resume=true", document.baseURI));
const services = new Services(new URL("choices", document.baseURI));
const view = new View(call, services);
const tape = new Tape($("tape"), () => ({ you: call.heard, voice: call.spoken }));

let painting = false;
function paint() {
  if (painting) return;
  painting = true;
  // A microtask is used, because a page in the background gets no animation frames.
  queueMicrotask(() => {
    painting = false;
    view.show();
    tape.run(call.line.live);
  });
}

call.onchange = services.onchange = paint;
services.key = () => settings.key;
call.onevent = (event) => services.take(event);
call.onmark = (kind, seconds) => tape.mark(kind, seconds);
settings.onchange = (wishes) => {
  call.wish(wishes, settings.key);
  if (call.line.fault?.remedy === "key" && settings.key) call.line.open(settings.key);
};
setInterval(() => call.line.state === "waiting" && paint(), 500);
setInterval(() => $("talk").style.setProperty("--level", call.heard.toFixed(3)), 50);

// The big button: begins; then it mutes, or is held.

const talk = $("talk");
talk.addEventListener("click", () => {
  if (talk.dataset.does === "talk") call.talk(settings.key);
  else if (talk.dataset.does === "mute") call.mute(!call.muted);
});
talk.addEventListener("pointerdown", ({ pointerId, button }) => {
  if (talk.dataset.does !== "hold" || button !== 0) return;
  talk.setPointerCapture(pointerId);
  call.press();
});
for (const over of ["pointerup", "pointercancel"]) talk.addEventListener(over, () => call.release());
talk.addEventListener("contextmenu", (event) => event.preventDefault());

$("stop").addEventListener("click", () => call.stop());
$("hang-up").addEventListener("click", () => call.hangUp());
$("open-settings").addEventListener("click", () => settings.show());

$("typing").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text) return;
  call.type(text, settings.key);
  $("text").value = "";
});

$("fault-remedy").addEventListener("click", ({ currentTarget }) => {
  const { remedy } = currentTarget.dataset;
  if (remedy === "retry") call.line.retry();
  else if (remedy === "key") settings.show("key");
  else call.talk(settings.key);
});

// The keyboard: Esc stops the voice; the space bar is held while talking by hand.

addEventListener("keydown", (event) => {
  if ($("settings").open) return;
  if (event.key === "Escape" && !$("stop").hidden) call.stop();
  if (event.key === " " && holds(event.target)) {
    event.preventDefault();
    call.press();
  }
});
addEventListener("keyup", (event) => {
  if (event.key !== " " || !call.holding) return;
  event.preventDefault();
  call.release();
});
addEventListener("blur", () => call.release());

/** Whether the space bar is the button to talk here, and not a space or another button's press. */
function holds(target) {
  return talk.dataset.does === "hold" && (target === talk || !target.closest("input, button, select, summary"));
}

// Events of the browser.

addEventListener("offline", () => call.line.drop());
addEventListener("online", () => call.line.retry());
document.addEventListener("visibilitychange", () => document.hidden || call.wake());
addEventListener("pagehide", () => call.hangUp());

call.wish(settings.wishes, settings.key);
settings.learn().then(paint);
services.watch();

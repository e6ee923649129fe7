// Everything that can be wrong, in the caller's words: what happened, and what to do about it.

/**
 * @typedef {object} Fault
 * @property {string} title
 * @property {string} advice
 * @property {"retry" | "key" | "talk"} [remedy] what a button offers
 */

/** @type {Record<string, Fault>} */
const FAULTS = {
  insecure: {
    title: "The browser gives this page no microphone",
    advice:
      "It does so on https:// addresses and on localhost only. Open the page there, or type: answers are spoken here too.",
  },
  unsupported: {
    title: "This browser cannot record for a page",
    advice: "Update it or use another. You can type: answers are spoken all the same.",
  },
  "no-microphone": {
    title: "No microphone was found",
    advice: "Plug one in or switch it on, then start again. Until then you can type.",
    remedy: "talk",
  },
  denied: {
    title: "The microphone is not allowed",
    advice:
      "Allow it for this page (the sign beside its address; on a Mac also System Settings → Privacy), then start again. Until then you can type.",
    remedy: "talk",
  },
  "microphone-busy": {
    title: "The microphone cannot be opened",
    advice: "Another program may hold it. Close that, then start again. Until then you can type.",
    remedy: "talk",
  },
  "microphone-lost": {
    title: "The microphone has gone",
    advice: "It was unplugged or switched off. Connect it, then start again. Until then you can type.",
    remedy: "talk",
  },
  unreachable: {
    title: "The gateway does not answer",
    advice: "It may be starting, or stopped. The page keeps trying.",
    remedy: "retry",
  },
  lost: {
    title: "The connection was lost",
    advice: "The conversation goes on where it was as soon as it is back.",
    remedy: "retry",
  },
  stopping: {
    title: "The gateway had to break off",
    advice: "It may be restarting. The conversation goes on where it was as soon as it can.",
    remedy: "retry",
  },
  busy: {
    title: "All lines are busy",
    advice: "As many people are talking as the gateway allows. The page keeps trying.",
    remedy: "retry",
  },
  blocked: {
    title: "Something on the way stops the conversation",
    advice: "The gateway answers, but a proxy or firewall lets no WebSocket through to /v1/realtime.",
    remedy: "retry",
  },
  "key-needed": {
    title: "This gateway asks for a key",
    advice: "Enter the one you were given. It is kept until this tab is closed.",
    remedy: "key",
  },
  "key-refused": {
    title: "The key is not accepted",
    advice: "Check it for typing mistakes, or ask whoever runs the gateway.",
    remedy: "key",
  },
  origin: {
    title: "This address may not call the gateway",
    advice: "Whoever runs it can name this page's address in HTTP_ORIGINS, and its own in HTTP_HOSTS.",
  },
  silent: {
    title: "The line was closed after a long silence",
    advice: "Nothing is lost: start again, and the conversation goes on.",
    remedy: "talk",
  },
  ended: {
    title: "The call has ended",
    advice: "The gateway ended it. Start again, and the conversation goes on.",
    remedy: "talk",
  },
};

/** A fault by its name; what the server says about it, if anything, comes with it. */
export function fault(name, said = "") {
  return { name, ...FAULTS[name], said };
}

const MICROPHONE = {
  NotAllowedError: "denied",
  SecurityError: "denied",
  NotFoundError: "no-microphone",
  OverconstrainedError: "no-microphone",
  NotReadableError: "microphone-busy",
  AbortError: "microphone-busy",
};

/** The fault behind what `getUserMedia` throws. */
export function microphoneFault(error) {
  return fault(MICROPHONE[error.name] ?? "microphone-busy", MICROPHONE[error.name] ? "" : String(error));
}

// Renders every Mermaid diagram of the Markdown files given, and says where one does not.
// A browser's layout is stood in for by sizes guessed from the text: enough for each diagram's parser,
// layout and drawing to run to their end, without a browser.
import { readFileSync } from "node:fs";
import { JSDOM } from "jsdom";

const { window } = new JSDOM("<!doctype html><body></body>", { pretendToBeVisual: true });
for (const name of ["window", "document", "Element", "HTMLElement", "SVGElement", "Node", "NodeFilter",
  "DOMParser", "XMLSerializer", "CSSStyleSheet", "getComputedStyle", "requestAnimationFrame"]) {
  globalThis[name] = name === "window" ? window : window[name];
}
const box = (text) => ({ x: 0, y: 0, width: 40 + 8 * text.length, height: 24 });
window.SVGElement.prototype.getBBox = function () { return box(this.textContent ?? ""); };
window.SVGElement.prototype.getComputedTextLength = function () { return 8 * (this.textContent ?? "").length; };

window.Element.prototype.getBoundingClientRect = function () { return box(this.textContent ?? ""); };

const { default: mermaid } = await import("mermaid");
mermaid.initialize({ startOnLoad: false, securityLevel: "strict", suppressErrorRendering: true });

function* diagrams(file) {
  const text = readFileSync(file, "utf8");
  for (const found of text.matchAll(/^( *)```mermaid\n([\s\S]*?)^\1```/gm)) {
    yield { where: `${file}:${text.slice(0, found.index).split("\n").length}`, source: found[2] };
  }
}

let drawn = 0;
let wrong = 0;
for (const file of process.argv.slice(2)) {
  for (const { where, source } of diagrams(file)) {
    drawn += 1;
    try {
      const { svg } = await mermaid.render(`diagram${drawn}`, source);
      if (!svg.includes("<svg")) throw new Error("nothing was drawn");
    } catch (error) {
      wrong += 1;
      console.error(`${where}: ${error.message}`);
    }
  }
}
console.log(`${drawn} diagrams, ${wrong} of them wrong`);
process.exit(wrong ? 1 : 0);

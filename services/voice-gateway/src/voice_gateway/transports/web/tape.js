// The tape: what both said lately, the caller above the line, the voice below, now at the right.

const PITCH = 4; // CSS pixels from bar to bar
const COLUMN_S = 1 / 18;
const LABEL = 60; // CSS pixels that the words of a mark take
const SPEED = PITCH / COLUMN_S; // pixels a second
const KEPT_S = 40;
const CALM_S = 0.25; // between two pictures where the viewer wants no motion

/** @typedef {{at: number, you: number, voice: number}} Column loudness, 0 to 1 */
/** @typedef {{at: number, kind: "answer" | "cut", seconds?: number, named: boolean}} Mark */

export class Tape {
  #canvas;
  #levels;
  /** @type {Column[]} */
  #columns = [];
  /** @type {Mark[]} */
  #marks = [];
  #calm = matchMedia("(prefers-reduced-motion: reduce)");
  #colors = {};
  #drawnAt = 0;
  #running = false;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {() => {you: number, voice: number}} levels loudness just now
   */
  constructor(canvas, levels) {
    this.#canvas = canvas;
    this.#levels = levels;
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#dress());
    new ResizeObserver(() => this.#fit()).observe(canvas);
    this.#dress();
  }

  /** Let it run, or hold it. */
  run(running) {
    if (running === this.#running) return;
    this.#running = running;
    if (running) requestAnimationFrame(() => this.#turn());
  }

  /** @param {"answer" | "cut"} kind */
  mark(kind, seconds) {
    const last = this.#marks.findLast((mark) => mark.kind === kind && mark.named);
    const named = !last || (now() - last.at) * SPEED > LABEL; // else the words would overlap
    this.#marks.push({ at: now(), kind, seconds, named });
  }

  #turn() {
    this.#record();
    if (!this.#calm.matches || now() - this.#drawnAt > CALM_S) this.#draw();
    if (this.#running) requestAnimationFrame(() => this.#turn());
  }

  #record() {
    const last = this.#columns.at(-1)?.at ?? 0;
    if (now() - last < COLUMN_S) return;
    const { you, voice } = this.#levels();
    // On the grid, so that bars keep their distance whatever the screen's own rhythm is.
    const at = now() - last > 1 ? now() : last + COLUMN_S * Math.floor((now() - last) / COLUMN_S);
    this.#columns.push({ at, you: height(you), voice: height(voice) });
    const old = now() - KEPT_S;
    while (this.#columns[0].at < old) this.#columns.shift();
    while (this.#marks[0]?.at < old) this.#marks.shift();
  }

  #fit() {
    const { clientWidth, clientHeight } = this.#canvas;
    this.#canvas.width = clientWidth * devicePixelRatio;
    this.#canvas.height = clientHeight * devicePixelRatio;
    this.#draw();
  }

  #dress() {
    const style = getComputedStyle(this.#canvas);
    for (const name of ["you", "voice", "ink", "muted", "line", "ground"]) {
      this.#colors[name] = style.getPropertyValue(`--${name}`);
    }
    this.#font = `500 12px ${style.fontFamily}`;
    this.#draw();
  }

  #font = "";

  #draw() {
    this.#drawnAt = now();
    const pen = this.#canvas.getContext("2d");
    const { clientWidth: width, clientHeight: tall } = this.#canvas;
    pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    pen.clearRect(0, 0, width, tall);
    this.#line(pen, width, tall / 2);
    if (!this.#columns.length) return this.#promise(pen, width, tall / 2);
    if (this.#calm.matches) return this.#meters(pen, width, tall / 2);
    for (const column of this.#columns) this.#bar(pen, this.#x(column.at, width), column, tall / 2);
    for (const mark of this.#marks) this.#note(pen, this.#x(mark.at, width), mark, tall / 2);
  }

  #x(at, width) {
    return width - 4 - (now() - at) * SPEED;
  }

  #line(pen, width, middle) {
    pen.fillStyle = this.#colors.line;
    pen.fillRect(0, middle - 0.5, width, 1);
  }

  #bar(pen, x, { you, voice }, middle) {
    if (x < -PITCH) return;
    const room = middle - 8;
    pen.lineWidth = 2.5;
    pen.lineCap = "round";
    if (you > 0.04) stroke(pen, this.#colors.you, x, middle - 4, middle - 4 - you * room);
    if (voice > 0.04) stroke(pen, this.#colors.voice, x, middle + 4, middle + 4 + voice * room);
  }

  #promise(pen, width, middle) {
    pen.globalAlpha = 0.22;
    const columns = example();
    columns.forEach((column, i) => this.#bar(pen, width - 4 - (columns.length - i) * PITCH, column, middle));
    pen.globalAlpha = 1;
  }

  #note(pen, x, { kind, seconds, named }, middle) {
    if (kind === "cut") return this.#cut(pen, x, middle, named);
    pen.strokeStyle = pen.fillStyle = this.#colors.ink;
    pen.lineWidth = 1;
    const from = x - seconds * SPEED;
    pen.strokeRect(from, middle, x - from, 0);
    for (const edge of [from, x]) pen.strokeRect(edge, middle - 4, 0, 8);
    this.#write(pen, `${seconds.toFixed(1)} s`, (from + x) / 2, middle + 14);
  }

  #cut(pen, x, middle, named) {
    pen.lineCap = "butt";
    pen.lineWidth = 1.5;
    stroke(pen, this.#colors.ink, x, middle, 2 * middle - 16);
    if (named) this.#write(pen, "cut off", x, 2 * middle - 7);
  }

  #write(pen, text, x, y) {
    pen.font = this.#font;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.lineJoin = "round";
    pen.lineWidth = 5;
    pen.strokeStyle = this.#colors.ground;
    pen.strokeText(text, x, y);
    pen.fillStyle = this.#colors.ink;
    pen.fillText(text, x, y);
  }

  /** Two levels that grow from the right, and nothing that moves along. */
  #meters(pen, width, middle) {
    const { you, voice } = this.#columns.at(-1) ?? { you: 0, voice: 0 };
    for (const [name, level, y] of [["you", you, middle - 12], ["voice", voice, middle + 8]]) {
      pen.fillStyle = this.#colors[name];
      pen.fillRect(width - level * width * 0.6, y, level * width * 0.6, 4);
    }
  }
}

function stroke(pen, color, x, from, to) {
  pen.strokeStyle = color;
  pen.beginPath();
  pen.moveTo(x, from);
  pen.lineTo(x, to);
  pen.stroke();
}

/** A loudness as a share of the room there is for its bar: nothing at -50 dB, all of it at -8. */
function height(loudness) {
  return Math.max(0, Math.min(1, (20 * Math.log10(loudness + 1e-6) + 50) / 42));
}

/** What the tape shows before anything was said: a question, a pause, an answer, faintly. */
function example() {
  const word = (i, length) =>
    i < 0 || i > length ? 0 : (0.35 + 0.5 * Math.abs(Math.sin(i * 1.3))) * Math.sin((Math.PI * i) / length) ** 0.4;
  const at = (i) => ({
    you: word(i, 7) + word(i - 9, 12),
    voice: word(i - 30, 10) + word(i - 42, 16) + word(i - 60, 6),
  });
  return Array.from({ length: 3 * 82 - 12 }, (_, i) => at(i % 82));
}

function now() {
  return performance.now() / 1000;
}

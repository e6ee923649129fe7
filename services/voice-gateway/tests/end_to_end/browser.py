"""A person's browser: the page in a real Chromium, a recording for its microphone, ears for it."""

import asyncio
import os
import shutil
import wave
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr
from playwright.async_api import Error, Page, WebSocket, async_playwright, expect

from .conftest import ROOT, clips

PICTURES = ROOT / "out" / "web-page"
PATIENCE_MS = 90_000
RATE_HZ = 48_000  # of a microphone as browsers have them
DESK, PHONE = (1200, 780), (390, 844)

_QUIET = """--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync
    --disable-background-networking --disable-component-update""".split()
_MICROPHONE = "--use-fake-device-for-media-stream"
_ALLOWED = "--use-fake-ui-for-media-stream"

# What leaves the loudspeaker and what goes over the line, with the browser's own times; the
# microphones that were opened.
_EARS = """
window.sounds = [];
window.frames = [];
const now = () => performance.now() / 1000;
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (to, ...rest) {
  if (to instanceof AudioDestinationNode && !(this instanceof AudioWorkletNode)) listen(this);
  return connect.call(this, to, ...rest);
};
function listen(node) {
  const ear = node.context.createAnalyser();
  const samples = new Float32Array(ear.fftSize = 1024);
  connect.call(node, ear);
  setInterval(() => {
    ear.getFloatTimeDomainData(samples);
    window.sounds.push([now(), Math.max(...samples.map(Math.abs))]);
  }, 20);
}
window.microphones = [];
if (navigator.mediaDevices) {
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const stream = await ask(wanted);
    window.microphones.push({ wanted, track: stream.getAudioTracks()[0] });
    return stream;
  };
}
window.WebSocket = class extends WebSocket {
  constructor(...how) {
    super(...how);
    this.addEventListener("message", ({ data }) => note("in", data));
  }
  send(data) {
    note("out", data);
    super.send(data);
  }
};
const LOUD = 0.01;
function until(holds) {
  return new Promise((done) => {
    const timer = setInterval(() => {
      if (!holds()) return;
      clearInterval(timer);
      done(true);
    }, 20);
  });
}
window.loud = () => until(() => sounds.length > 0 && sounds.at(-1)[1] > LOUD);
window.quiet = () => until(() => sounds.slice(-25).every(([, level]) => level < LOUD));
window.lastLoud = (at) => sounds.filter(([t, level]) => level > LOUD && t < at + 0.5).at(-1)[0];
function note(way, data) {
  const { type, audio, delta, ...event } = JSON.parse(data);
  const sound_s = type === "response.output_audio.delta" ? atob(delta).length / 48_000 : 0;
  window.frames.push({ way, type, at: now(), sound_s, event });
}
"""


@dataclass
class Visitor:
    """Someone with the page before them."""

    page: Page
    expected: tuple[str, ...] = ()
    """What the console may complain of in this test."""
    _complaints: list[str] = field(default_factory=list[str])
    _hosts: set[str] = field(default_factory=set[str])

    async def talk(self) -> None:
        await self.page.get_by_role("button", name="Talk").click()

    async def write(self, text: str) -> None:
        await self.page.get_by_label("Write instead").fill(text)
        await self.page.keyboard.press("Enter")

    async def sees(self, text: str, *, within_ms: int = PATIENCE_MS, header: bool = False) -> None:
        """What is said of the floor or a fault, or of the line in the header."""
        stage = self.page.locator("header" if header else "footer", has_text=text)
        await expect(stage).to_be_visible(timeout=within_ms)

    async def reads(self, who: str, text: str = "", *, nth: int = 0) -> str:
        """The n-th entry of this speaker, as soon as it contains `text` and is complete."""
        entry = self.page.locator(f"#transcript .{who}").nth(nth)
        words = entry.locator("> p")
        await expect(words).to_contain_text(text, ignore_case=True, timeout=PATIENCE_MS)
        await expect(entry).not_to_have_attribute("data-state", "open", timeout=PATIENCE_MS)
        return await words.inner_text()

    async def hears(self) -> None:
        """The voice, at the loudspeaker, now."""
        async with asyncio.timeout(PATIENCE_MS / 1000):
            await self.page.evaluate("loud()")

    async def hears_nothing(self) -> None:
        """For half a second."""
        async with asyncio.timeout(PATIENCE_MS / 1000):
            await self.page.evaluate("quiet()")

    async def frames(self, kind: str) -> list[dict[str, Any]]:
        """What went over the line of this type: `{way, type, at, sound_s, event}`."""
        return await self.page.evaluate("kind => frames.filter(f => f.type === kind)", kind)

    async def last_sound_before(self, at: float) -> float:
        """When the loudspeaker was last heard, up to half a second after `at`."""
        return await self.page.evaluate("at => lastLoud(at)", at)

    async def picture(self, name: str) -> Path:
        path = PICTURES / f"{name}.png"
        await self.page.screenshot(path=path)
        return path

    def check(self) -> None:
        """Nothing went wrong unseen, and nobody else was asked for anything."""
        asked_for = [said for said in self._complaints if any(e in said for e in self.expected)]
        assert self._complaints == asked_for
        assert len(self._hosts) == 1, self._hosts

    def watch(self) -> None:
        def console(message: Any) -> None:
            if message.type in ("error", "warning"):
                self._complaints.append(message.text)

        def request(asked: Any) -> None:
            self._hosts.add(asked.url.split("/")[2])

        def socket(opened: WebSocket) -> None:
            self._hosts.add(opened.url.split("/")[2])

        self.page.on("console", console)
        self.page.on("pageerror", lambda error: self._complaints.append(str(error)))
        self.page.on("request", request)
        self.page.on("websocket", socket)


@asynccontextmanager
async def visit(
    url: str,
    microphone: Path | None = None,
    *,
    allowed: bool = True,
    options: Sequence[str] = (),
    screen: tuple[int, int] = DESK,
    expected: Sequence[str] = (),
    **look: Any,
) -> AsyncGenerator[Visitor]:
    """Open the page; `microphone` is a recording that begins when the page first listens."""
    flags = [*_QUIET, *options, *([_ALLOWED] if allowed else [])]
    if microphone:
        flags += [_MICROPHONE, f"--use-file-for-fake-audio-capture={microphone}%noloop"]
    viewport: Any = {"width": screen[0], "height": screen[1]}
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=found(), args=flags)
        context = await chromium.new_context(viewport=viewport, **look)
        await context.add_init_script(_EARS)
        visitor = Visitor(await context.new_page(), tuple(expected))
        visitor.watch()
        await visitor.page.goto(url)
        try:
            yield visitor
            visitor.check()
        except BaseException:
            with suppress(Error):
                await visitor.picture("failed")
            raise
        finally:
            await chromium.close()


def found() -> str:
    """This machine's Chromium."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    if os.environ.get("CI"):
        pytest.fail("chromium is missing: on Debian, apt-get install chromium")
    pytest.skip("no Chromium here")


def recording(path: Path, *said: tuple[float, str], length_s: float = 60.0) -> Path:
    """A WAV of silence, in which these clips are said at these seconds."""
    samples = np.zeros(int(length_s * RATE_HZ), np.int16)
    by_name = {clip.name.removesuffix(".wav"): clip for clip in clips()}
    for at_s, name in said:
        clip = by_name[name]
        speech = soxr.resample(np.frombuffer(clip.pcm, "<i2"), clip.rate_hz, RATE_HZ)
        start = int(at_s * RATE_HZ)
        samples[start : start + len(speech)] = speech
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.astype("<i2").tobytes())
    return path

"""How old a page's webcam pictures are when they arrive over a slow line.

    python -m scripts.benchmarks.remote --megabits 4 --delay 0.1

A real run with `--camera browser`, Chromium with a fake webcam, and between them a line of that
rate and delay in each direction. Both clocks are this computer's, so the ages are true.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import av
import numpy as np

from realtime.commands.options import RunChoices
from realtime.commands.run import build
from realtime.panel.address import Address
from realtime.panel.server import Panel
from realtime.paths import asset_path
from scripts.rigs.browser import Browser
from scripts.rigs.slow_line import SlowLine

_HOOK = """
window.sentAt = [];
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
  if (typeof data !== "string") window.sentAt.push(performance.timeOrigin + performance.now());
  return send.call(this, data);
};
"""
"""Notes when each picture goes, by the wall clock."""

_FRAMES = 300
"""Of the fake webcam's clip: ten seconds."""


def main() -> None:
    """Measure, and print figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabits", type=float, default=4.0)
    parser.add_argument("--delay", type=float, default=0.1, help="seconds, in each direction")
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args()
    live = build(RunChoices(camera="browser", output="none"), lambda line: None, panel_shows=True)
    assert live.feed is not None
    arrived = _listen(live.feed)
    panel = Panel(live.session, live.preview, Address(), feed=live.feed)
    panel.start()
    address, _, key = panel.url.partition("/#")
    port = int(address.rpartition(":")[2])

    def visit() -> None:
        with (
            tempfile.TemporaryDirectory() as folder,
            SlowLine(port, options.megabits * 1e6, options.delay) as line,
        ):
            webcam = Path(folder) / "webcam.y4m"
            fake_webcam(webcam)
            flags = (
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-video-capture={webcam}",
                f"--host-resolver-rules=MAP localhost:{port} 127.0.0.1:{line.port}",
            )
            with Browser(Path(folder) / "profile", flags=flags) as browser:
                browser.page.add_init_script(_HOOK)
                browser.open(f"http://localhost:{port}/#{key}")
                browser.wait("document.body.dataset.status === 'open'")
                browser.wait("!document.getElementById('webcam').hidden")
                browser.page.click("#webcam-button")
                time.sleep(options.seconds)
                sent = browser.run("window.sentAt")
                shown = browser.run("document.getElementById('latency').textContent")
        _print(sent, arrived, options.seconds, shown)
        live.pipeline.stop()

    visitor = threading.Thread(target=visit, daemon=True)
    live.session.start()
    visitor.start()
    live.pipeline.run()
    visitor.join(10)
    panel.close()


def fake_webcam(path: Path) -> None:
    """Write the demo clip as Chromium's fake webcam takes it: VGA, with a webcam's noise."""
    noise = np.random.default_rng(1).normal(0, 3, (480, 640)).astype(np.float32)
    with av.open(str(asset_path("demo.mp4"))) as clip, path.open("wb") as out:
        out.write(b"YUV4MPEG2 W640 H480 F30:1 Ip A1:1 C420jpeg\n")
        for index, frame in enumerate(clip.decode(video=0)):
            if index == _FRAMES:
                break
            planes = frame.reformat(640, 480, "yuvj420p").to_ndarray()
            light = planes[:480].astype(np.float32) + np.roll(noise, 37 * index, axis=index % 2)
            planes[:480] = np.clip(light, 0, 255).astype(np.uint8)
            out.write(b"FRAME\n" + planes.tobytes())


def _listen(feed: Any) -> list[tuple[float, int, float | None]]:
    """Note when each picture arrives, its bytes, and the age that the feed itself works out."""
    arrived: list[tuple[float, int, float | None]] = []
    put = feed.put

    def heard(page: str, data: bytes, *times: float) -> Any:
        age = put(page, data, *times)
        arrived.append((time.time(), len(data), age))
        return age

    feed.put = heard
    return arrived


def _print(
    sent: list[float], arrived: list[tuple[float, int, float | None]], seconds: float, shown: str
) -> None:
    """Print figures of the beginning, in which the page comes to know the line, and of the rest."""
    pairs = list(zip(sent, arrived, strict=False))  # The last ones are on their way.
    begun = [pair for pair in pairs if pair[0] - sent[0] < 3000]
    figures: dict[str, Any] = {"pictures per second": len(pairs) / seconds, "latency shown": shown}
    for name, part in (("first 3 s", begun), ("later", pairs[len(begun) :])):
        ages = [1e3 * at - one for one, (at, _, _) in part]
        own = [1e3 * age for _, (_, _, age) in part if age is not None]
        figures[name] = {
            "kB": round(float(np.mean([size for _, (_, size, _) in part])) / 1e3, 1),
            "age since sending, ms": _percentiles(ages),
            "age since capture as the page says, ms": _percentiles(own) if own else None,
        }
    print(json.dumps(figures, indent=1))


def _percentiles(values: list[float]) -> dict[str, int]:
    return {f"p{p}": round(float(np.percentile(values, p))) for p in (50, 95, 100)}


if __name__ == "__main__":
    main()

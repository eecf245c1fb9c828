"""A web page that opens a camera as a video call does, and tells what it received."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from models.types import Image
from scripts.rigs import timecode
from scripts.rigs.browser import Browser

PIPEWIRE_FLAGS = ("--enable-features=WebRtcPipeWireCamera",)
"""Without it Chromium knows V4L2 cameras only (tried with version 156)."""

_ADDRESS = "http://localhost/"
"""Nobody serves it. A page of this computer may ask for a camera without encryption."""

_PAGE = """<!doctype html><title>call</title><video muted playsinline></video><script>
const video = document.querySelector('video');
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const seen = [], pictures = [];
let every = 0, errors = [];

// The first request often fails with NotFoundError, before the browser has asked PipeWire.
async function join(label, tries, width, height) {
  for (let attempt = 0; attempt < tries; attempt++) {
    try {
      const list = (await navigator.mediaDevices.enumerateDevices()).filter(
        (device) => device.kind === 'videoinput');
      const device = list.find((device) => device.label === label);
      const stream = await navigator.mediaDevices.getUserMedia({video: {
        width: {ideal: width}, height: {ideal: height},
        ...(device ? {deviceId: {exact: device.deviceId}} : {})}});
      const track = stream.getVideoTracks()[0];
      if (track.label !== label) {
        track.stop();
        throw new Error(`got ${track.label} of ${list.map((device) => device.label)}`);
      }
      video.srcObject = stream;
      await video.play();
      return {attempts: attempt + 1, label: track.label, ...track.getSettings()};
    } catch (error) {
      errors.push(`${error.name}: ${error.message}`);
      await wait(400);
    }
  }
  throw new Error(errors.join('; '));
}

function look(cell, bits) {
  const strip = new OffscreenCanvas(cell * bits, cell);
  const pen = strip.getContext('2d', {willReadFrequently: true});
  let full = null;
  const received = () => {
    const at = performance.timeOrigin + performance.now();
    pen.drawImage(video, 0, 0, cell * bits, cell, 0, 0, cell * bits, cell);
    const row = pen.getImageData(0, cell / 2, cell * bits, 1).data;
    let word = 0;
    for (let bit = 0; bit < bits; bit++) {
      let sum = 0;
      for (let x = 4; x < cell - 4; x++) sum += row[4 * (bit * cell + x) + 1];
      word = word * 2 + (sum > 127 * (cell - 8) ? 1 : 0);
    }
    if (every && seen.length % every === 0) {
      full = full || new OffscreenCanvas(video.videoWidth, video.videoHeight);
      full.getContext('2d').drawImage(video, 0, 0);
      const index = seen.length;
      full.convertToBlob({type: 'image/jpeg', quality: 0.9}).then(
        (blob) => pictures.push([index, blob]));
    }
    seen.push([at, word]);
    video.requestVideoFrameCallback(received);
  };
  video.requestVideoFrameCallback(received);
}

async function encoded(index) {
  const bytes = new Uint8Array(await pictures[index][1].arrayBuffer());
  let text = '';
  for (let at = 0; at < bytes.length; at += 8192)
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return [pictures[index][0], btoa(text)];
}

const leave = () => video.srcObject.getTracks().forEach((track) => track.stop());
</script>"""


@dataclass(frozen=True)
class Seen:
    """One picture that the page received.

    Attributes:
        at: when, in milliseconds as `timecode.now` counts.
        code: the time in the picture, likewise, or None.
    """

    at: int
    code: int | None


class CameraPage(Browser):
    """A browser on this page."""

    def __init__(
        self,
        profile: Path,
        environment: Mapping[str, str] | None = None,
        flags: tuple[str, ...] = PIPEWIRE_FLAGS,
        programs: tuple[str, ...] = ("chromium", "chromium-browser"),
        patience: float = 30.0,
    ) -> None:
        """Start it and open the page; for the arguments see `Browser`."""
        super().__init__(
            profile,
            flags=("--use-fake-ui-for-media-stream", *flags),
            environment=environment,
            programs=programs,
            patience=patience,
        )
        self._patience = patience
        try:
            self.page.route(
                _ADDRESS, lambda route: route.fulfill(body=_PAGE, content_type="text/html")
            )
            self.open(_ADDRESS)
        except BaseException:
            self.close()
            raise

    def cameras(self) -> list[str]:
        """The names of the cameras that the page may choose from."""
        return list(
            self.run(
                "navigator.mediaDevices.enumerateDevices().then((list) => list.filter("
                "(device) => device.kind === 'videoinput').map((device) => device.label))"
            )
        )

    def join(self, label: str, size: tuple[int, int], tries: int = 40) -> dict[str, object]:
        """Open the camera of this name.

        Args:
            label: its name for people.
            size: (width, height) that is asked for.
            tries: how often, as the first ones may come too early.

        Returns:
            The settings of the track, its label, and how many attempts there were.

        Raises:
            playwright.sync_api.Error: it was not there after all tries.
        """
        words = ", ".join(map(json.dumps, (label, tries, *size)))
        answer: dict[str, object] = self.run(f"join({words})", patience=2 * self._patience)
        self.run(f"look({timecode.CELL}, {timecode.BITS})")
        return answer

    def keep(self, every: int) -> None:
        """Keep one of `every` pictures from now on; 0: none."""
        self.run(f"every = {every}, null")

    def seen(self) -> list[Seen]:
        """All that was received until now, in order; the next call gives only what is new."""
        rows = self.run("seen.splice(0)")
        return [Seen(int(at) % (1 << 24), timecode.checked(int(word))) for at, word in rows]

    def kept(self) -> int:
        """How many pictures were kept until now."""
        return int(self.run("pictures.length"))

    def pictures(self) -> list[tuple[int, Image]]:
        """What was kept, in order.

        Returns:
            Each picture, RGB, after its number among the received, which counts from the last call
            of `seen`.
        """
        found = []
        for index in range(self.kept()):
            number, text = self.run(f"encoded({index})")
            data = np.frombuffer(base64.b64decode(text), np.uint8)
            picture = cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
            found.append((number, np.asarray(picture, np.uint8)))
        return sorted(found, key=lambda item: item[0])

    def leave(self) -> None:
        """Let the camera go, as at the end of a call."""
        self.run("leave()")

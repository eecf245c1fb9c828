// Only what the call sees, as large as the window: for a second screen, or for OBS to capture.

import { draw, Link } from "/socket.js";

const canvas = document.getElementById("output");
const banner = document.getElementById("banner");

const link = new Link({
  picture: (kind, bitmap) => draw(canvas, bitmap),
  status(status, refusal) {
    banner.hidden = status === "open";
    banner.textContent =
      status === "wrong key"
        ? refusal || "This page has no valid key: open the address that the program has printed."
        : "The program cannot be reached; it may have ended.";
    document.body.dataset.status = status;
  },
});
link.want({ output: { width: 1280, fps: 30 } });
link.connect();
canvas.addEventListener("click", () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen();
});

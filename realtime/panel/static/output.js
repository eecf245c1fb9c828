// Only what the call sees, as large as the window: for a second screen, or for OBS to capture.
//
// The address may say ?background=transparent or green: the person without the background, where
// the program replaces it; and ?gone=clear: show nothing while the program is gone, in place of its
// last picture. Words never appear here: this page is on air.

import { draw, fit, Link } from "/socket.js";

const AGAIN = 5000; // Milliseconds until a key that opens nothing now is tried again.
const PATIENT = 2000; // Milliseconds that a line may be lost before the picture is cleared.

const canvas = document.getElementById("output");
const wishes = new URLSearchParams(location.search);
const background = wishes.get("background");
const alone = background === "transparent" || background === "green";
if (alone) document.documentElement.dataset.background = background;
let clearing = 0;

function clear() {
  // An own size: no pixel of the picture is left.
  canvas.width = canvas.height = 1;
}

function drawPerson(colours, matte) {
  if (!matte) {
    draw(canvas, colours);
    return;
  }
  fit(canvas, colours);
  const context = canvas.getContext("2d");
  context.globalCompositeOperation = "copy";
  context.filter = "url(#matte)";
  context.drawImage(matte, 0, 0);
  context.filter = "none";
  context.globalCompositeOperation = "source-in";
  context.drawImage(colours, 0, 0);
  context.globalCompositeOperation = "source-over";
}

const link = new Link({
  picture(kind, bitmap, matte) {
    if (kind === "person") drawPerson(bitmap, matte);
    else draw(canvas, bitmap);
  },
  status(status) {
    document.body.dataset.status = status;
    if (status !== "lost") {
      clearTimeout(clearing);
      clearing = 0;
    }
    // What was shut out shows nothing; the program may know the key again later.
    if (status === "wrong key") {
      clear();
      setTimeout(() => link.connect(), AGAIN);
    } else if (status === "lost" && wishes.get("gone") === "clear") {
      clearing ||= setTimeout(clear, PATIENT);
    }
  },
});
// The canvas' own size, and every picture of it.
link.want({ [alone ? "person" : "output"]: { width: 3840, fps: 60 } });
link.connect();
canvas.addEventListener("click", () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen();
});
// Where the browser lets us: this page opens even while the program is not there yet.
navigator.serviceWorker?.register("/worker.js", { scope: "/output" }).catch(() => {});

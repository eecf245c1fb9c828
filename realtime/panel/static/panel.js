// Puts the parts of the page together.

import { Avatars } from "/avatars.js";
import { Controls } from "/controls.js";
import { ask } from "/dom.js";
import { Figures } from "/figures.js";
import { loadWords, t } from "/i18n.js";
import { Keys } from "/keys.js";
import { OutputAddress } from "/obs.js";
import { Recordings } from "/recordings.js";
import { draw, Link } from "/socket.js";
import { Tabs } from "/tabs.js";
import { Webcam } from "/webcam.js";

const $ = (id) => document.getElementById(id);
const WRONG_KEY = "This page has no valid key: open the address that the program has printed.";
const LOST = "The program cannot be reached; it may have ended.";

let told = null;

function tell(line) {
  const item = document.createElement("li");
  item.textContent = line;
  $("lines").append(item);
  while ($("lines").children.length > 4) $("lines").firstChild.remove();
  setTimeout(() => item.remove(), 9000);
}

function showStatus(status, refusal) {
  $("banner").hidden = status === "open";
  $("banner").textContent = status === "wrong key" ? refusal || WRONG_KEY : LOST;
  $("enter").hidden = status !== "wrong key";
  if (status !== "open") {
    $("face").textContent = "not connected";
    $("face").classList.add("warn");
  }
  document.body.dataset.status = status;
}

function showLines(said) {
  for (const { number, line } of said) {
    // Lines from before this page was opened are not news.
    if (told !== null && number > told) tell(line);
  }
  told = said.length ? said.at(-1).number : (told ?? 0);
}

const link = new Link({
  greeting(message) {
    keys.learn(message.keys);
    webcam.greet(message);
    avatars.limit = message.upload;
  },
  state(state) {
    avatars.show(state);
    controls.show(state);
    webcam.show(state);
    for (const part of Object.values(parts)) part.show?.(state);
    showLines(state.said);
  },
  figures(values) {
    figures.show(values);
    for (const part of Object.values(parts)) part.figures?.(values);
  },
  picture: (kind, bitmap) => draw($(kind), bitmap),
  refused: tell,
  taken: (ages) => webcam.taken(ages),
  outputKey: (key) => outputAddress.show(key),
  status: showStatus,
});
await loadWords();
const context = { link, t, tell, ask: (question) => ask({ no: t("ask.no"), ...question }) };
// The parts of the tabs: new NamePart(document.getElementById("tab-name"), context).
const parts = {
  recordings: new Recordings($("tab-recordings"), context),
};
const avatars = new Avatars(link, tell);
const controls = new Controls(link);
const figures = new Figures();
const keys = new Keys(link);
const webcam = new Webcam(link, tell);
const outputAddress = new OutputAddress(link);

function choosePictures() {
  const seen = !document.hidden;
  const width = Math.max(Math.ceil($("output").clientWidth * devicePixelRatio), 320);
  const live = document.body.dataset.tab === "live";
  // No picture is sent that nobody sees.
  link.want(seen && live ? { output: { width, fps: 30 }, camera: { width: 320, fps: 8 } } : {});
}

document.addEventListener("visibilitychange", choosePictures);
addEventListener("resize", choosePictures);
$("output-link").addEventListener("click", (event) => {
  event.preventDefault();
  // The new tab gets a copy of this one's storage, so that no address has the key.
  open("/output", "_blank");
});
$("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  link.use($("enter-key").value);
  $("enter-key").value = "";
});
new Tabs(document.querySelector("[role=tablist]"), parts);
choosePictures();
link.connect();

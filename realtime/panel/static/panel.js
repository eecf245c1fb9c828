// Puts the parts of the page together.

import { Avatars } from "/avatars.js";
import { Calibrate } from "/calibrate.js";
import { ClipPart } from "/clip.js";
import { Controls } from "/controls.js";
import { ask } from "/dom.js";
import { Figures } from "/figures.js";
import { loadWords, t } from "/i18n.js";
import { Keys } from "/keys.js";
import { Looks } from "/looks.js";
import { Messages } from "/messages.js";
import { OutputAddress } from "/obs.js";
import { Pose } from "/pose.js";
import { Recordings } from "/recordings.js";
import { SetupRows } from "/setup.js";
import { Sliders } from "/sliders.js";
import { Link } from "/socket.js";
import { Stage } from "/stage.js";
import { Status } from "/status.js";
import { Tabs } from "/tabs.js";
import { Webcam } from "/webcam.js";

const $ = (id) => document.getElementById(id);

await loadWords();
const link = new Link({
  greeting(message) {
    messages.greet();
    keys.learn(message.keys);
    webcam.greet(message);
    avatars.limit = message.upload;
  },
  state(state) {
    status.show(state);
    avatars.show(state);
    controls.show(state);
    sliders.show(state);
    calibrate.show(state);
    webcam.show(state);
    for (const part of Object.values(parts)) part.show?.(state);
    messages.show(state.said);
  },
  figures(values) {
    figures.show(values);
    calibrate.showFigures(values);
    for (const part of Object.values(parts)) part.figures?.(values);
  },
  picture: (kind, bitmap) => stage.picture(kind, bitmap),
  refused: (line) => messages.tell(line, { alarm: true }),
  taken: (ages) => webcam.taken(ages),
  outputKey: (key) => outputAddress.show(key),
  status: (is, refusal) => status.connected(is, refusal),
});
const messages = new Messages();
const tell = (line, options) => messages.tell(line, options);
const context = { link, t, tell, ask: (question) => ask({ no: t("ask.no"), ...question }) };
new Looks();
const status = new Status();
const stage = new Stage(link);
const avatars = new Avatars($("avatars"), context);
const controls = new Controls(link, { stopping: () => status.stopping() });
const sliders = new Sliders(link);
const calibrate = new Calibrate(link, messages);
const figures = new Figures();
const webcam = new Webcam(link, tell);
const outputAddress = new OutputAddress(link);
const keys = new Keys(link, (key) => {
  if (key.command === "calibrate") calibrate.asked();
  if (key.command === "overlay_by") sliders.overlayBy(key.value);
});
// The parts of the tabs and of the live tab: new NamePart(element, context).
const parts = {
  live: stage,
  setup: new SetupRows($("setup-rows"), { ...context, webcam }),
  clip: new ClipPart($("tab-clip"), context),
  pose: new Pose($("tab-pose"), context),
  recordings: new Recordings($("tab-recordings"), context),
};
$("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  link.use($("enter-key").value);
  $("enter-key").value = "";
});
new Tabs(document.querySelector("[role=tablist]"), parts);
stage.measure();
link.connect();

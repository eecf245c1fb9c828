// The three rows of what a call needs: photo, camera, and where the picture goes.

import { CameraChooser } from "/chooser.js";
import { h } from "/dom.js";
import { onLanguage, t } from "/i18n.js";
import { Places, viaPage } from "/places.js";
import { RunSettings } from "/run_settings.js";

const SIGNS = { ready: "✓", missing: "+", problem: "!", busy: "…" };

class Row {
  constructor(name, press) {
    this.sign = h("span", { class: "sign-mark", "aria-hidden": "true" });
    this.image = name === "photo" ? h("img", { class: "row-photo", alt: "", hidden: true }) : null;
    this.title = h("span", { class: "row-title", "data-t": `setup.${name}.title` });
    this.word = h("span", { class: "row-word" });
    this.what = h("span", { class: "row-name" });
    this.note = h("p", { class: "row-note", hidden: true });
    this.button = h("button", { type: "button", onclick: press });
    this.item = h(
      "li",
      { class: "setup-row", "data-row": name },
      this.sign,
      this.image,
      h("div", { class: "row-words" }, h("p", {}, this.title, " ", this.word), this.what),
      this.button,
      this.note,
    );
    this.name = name;
  }

  // state: one of SIGNS; what: its name; note: a sentence, or "".
  show({ state, word = `setup.state.${state}`, what, note = "", full = "" }) {
    this.item.dataset.state = state;
    this.sign.textContent = SIGNS[state];
    this.title.textContent = t(`setup.${this.name}.title`);
    this.word.textContent = t(word);
    this.what.textContent = what;
    this.what.title = full;
    this.note.textContent = note;
    this.note.hidden = !note;
    this.button.textContent = t(`setup.${this.name}.button`);
    this.button.setAttribute("aria-label", t(`setup.${this.name}.button_name`));
    this.button.classList.toggle("primary", state === "missing");
  }
}

export class SetupRows {
  constructor(root, context) {
    this.root = root;
    this.context = context;
    this.state = null;
    this.thumbnail = { id: null, picture: null };
    this.chooser = new CameraChooser(context);
    this.places = new Places(context);
    this.settings = new RunSettings(context);
    this.rows = {
      photo: new Row("photo", () => this.toAvatars()),
      camera: new Row("camera", () => this.chooser.open()),
      output: new Row("output", () => this.places.open()),
    };
    this.next = h("p", { class: "setup-next", role: "status" });
    this.busy = h("p", { class: "setup-busy", role: "status", hidden: true });
    this.gear = h("button", {
      ...{ type: "button", class: "quiet", "data-t": "setup.settings" },
      ...{ "data-t-title": "setup.settings_title", onclick: () => this.settings.open() },
    });
    root.classList.add("setup");
    root.append(
      h("div", { class: "setup-head" }, this.next, this.gear),
      h("ul", { class: "setup-list" }, ...Object.values(this.rows).map((row) => row.item)),
      this.busy,
    );
    this.gear.textContent = t("setup.settings");
    this.gear.title = t("setup.settings_title");
    addEventListener("via-page", () => this.again());
    onLanguage(() => this.again());
  }

  again() {
    if (this.state) this.show(this.state);
  }

  show(state) {
    this.state = state;
    this.root.hidden = !state.setup;
    if (!state.setup) return;
    const shown = {
      photo: this.photo(state),
      camera: cameraRow(state),
      output: outputRow(state),
    };
    for (const [name, row] of Object.entries(this.rows)) row.show(shown[name]);
    this.root.classList.toggle(
      "folded",
      Object.values(shown).every((one) => one.state === "ready"),
    );
    this.next.textContent = nextStep(shown);
    this.busy.hidden = !state.setup.busy;
    this.busy.textContent = state.setup.busy ? t("setup.busy", { what: busyWith(state) }) : "";
    this.chooser.show(state);
    this.places.show(state);
    this.settings.show(state);
  }

  photo(state) {
    const one = state.avatars.find((avatar) => avatar.id === state.current);
    this.showPhoto(one);
    if (!one) return { state: "missing", what: t("setup.photo.none") };
    if (one.state === "refused") return { state: "problem", what: one.name, note: one.reason };
    const coming = state.avatars.find((avatar) => avatar.id === state.wanted);
    const note = coming ? t("setup.photo.coming", { name: coming.name }) : "";
    return { state: coming ? "busy" : "ready", what: one.name, full: one.name, note };
  }

  async showPhoto(one) {
    const known = this.thumbnail;
    if (one?.id === known.id && one?.picture === known.picture) return;
    this.thumbnail = { id: one?.id, picture: one?.picture };
    const { image } = this.rows.photo;
    if (!one) {
      image.hidden = true;
      return;
    }
    const answer = await this.context.link.fetch(`/thumbnails/${one.id}`);
    if (!answer.ok || this.thumbnail.id !== one.id) return;
    URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(await answer.blob());
    image.hidden = false;
  }

  toAvatars() {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const avatars = document.getElementById("avatars");
    avatars.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
    const chosen = avatars.querySelector("[aria-pressed=true], button") ?? avatars;
    chosen.focus({ preventScroll: true });
  }
}

function cameraRow({ setup, camera_page: page }) {
  const { choice, name, state, problem } = setup.camera;
  const what = cameraName(choice, name, page);
  if (choice === "none") return { state: "missing", what };
  const found = { what, full: name, note: problem ?? "" };
  if (state === "open") return { ...found, state: "ready" };
  if (state === "lost") return { ...found, state: "problem" };
  if (state === "waiting") {
    const note = problem ?? t(choice === "browser" ? "setup.camera.no_page" : "setup.camera.waits");
    return { ...found, state: "problem", word: "setup.state.waiting", note };
  }
  return problem ? { ...found, state: "problem" } : { ...found, state: "busy" };
}

// What people call a camera: without the numbers that the system adds.
export function cameraName(choice, name, page) {
  if (choice === "none") return t("setup.camera.none");
  if (choice === "demo") return t("chooser.demo");
  if (choice === "browser") return t(page === "phone" ? "setup.camera.phone" : "chooser.browser");
  return (name || choice).replace(/ \((\/dev\/)?\w+\).*$/, "");
}

function outputRow({ setup, recording }) {
  const { choice, name, state, problem, reading } = setup.output;
  if (choice === "none") {
    if (recording) return { state: "ready", what: t("places.recording"), note: recording };
    const kept = viaPage();
    if (!kept) return { state: "missing", what: t("setup.output.none") };
    return { state: "ready", what: t(`places.${kept}`), note: t(`places.${kept}_note`) };
  }
  const what = (name || choice).replace(/ \(\/dev\/\w+\)$/, "");
  if (state === "open") {
    const seen = { true: "setup.output.read", false: "setup.output.unread" }[String(reading)];
    return { state: "ready", what, full: name ?? "", note: problem ?? (seen ? t(seen) : "") };
  }
  return { state: "problem", what, note: problem ?? t("setup.output.lost") };
}

function nextStep(shown) {
  const names = Object.keys(shown);
  const missing = names.find((name) => shown[name].state === "missing");
  if (missing) return t(`setup.next.${missing}`);
  const wrong = names.find((name) => shown[name].state === "problem");
  if (wrong) return t(`setup.next.mend_${wrong}`);
  if (names.some((name) => shown[name].state === "busy")) return t("setup.next.wait");
  return t("setup.next.ready");
}

function busyWith({ setup }) {
  const words = { camera: "setup.camera.title", output: "setup.output.title" };
  const known = words[setup.busy] ?? (setup.busy in setup ? `settings.${setup.busy}` : null);
  return known ? t(known) : setup.busy;
}

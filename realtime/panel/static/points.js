// Placing the points of a face by hand, where none is found or it is found wrongly.

import { h } from "/dom.js";
import { t } from "/i18n.js";
import { Figure } from "/points_figure.js";
import { Stage } from "/points_stage.js";

const KINDS = ["person", "creature", "drawing"];
const TOGETHER = 700; // Milliseconds in which steps of the arrow keys are undone together.
const PAUSE = 30; // Milliseconds between two previews: other threads come first.

export class PointsEditor {
  // placed(id): an avatar was made or has got new points.
  constructor({ link, tell }, placed) {
    this.link = link;
    this.tell = tell;
    this.placed = placed;
    this.dialog = null;
  }

  // Of an avatar of the list, also of one that was refused.
  openAvatar(id) {
    const headers = { "Content-Type": "application/json" };
    return this.open({ headers, body: JSON.stringify({ avatar: id }) });
  }

  async open(request) {
    if (this.dialog) return;
    this.build();
    this.dialog.showModal();
    const answer = await this.ask("/points", { method: "POST", ...request });
    if (!answer?.ok) {
      await this.refuse(answer);
      return;
    }
    const told = await answer.json();
    const picture = await this.ask(`/points/${told.id}/picture`);
    if (!this.dialog || !picture?.ok) {
      await this.refuse(picture);
      return;
    }
    this.begin(told, URL.createObjectURL(await picture.blob()));
  }

  async ask(path, options = {}) {
    try {
      return await this.link.fetch(path, options);
    } catch {
      return null; // The program is gone.
    }
  }

  async refuse(answer) {
    let words = t("points.failed");
    try {
      words = (await answer.json()).refused ?? words;
    } catch {
      // It said nothing that can be shown.
    }
    this.dialog?.close();
    this.tell(words);
  }

  begin(told, url) {
    this.id = told.id;
    this.url = url;
    this.frames = told.frames ?? 60;
    this.fps = told.fps ?? 15;
    this.kind = told.kind;
    this.first = { points: told.points, kind: told.kind };
    this.past = [JSON.stringify(this.first)];
    this.ahead = [];
    this.dialog.classList.remove("loads");
    this.stage.open(url, { width: told.width, height: told.height }, told.points);
    this.stage.handles.get("left_eye_outer").focus({ preventScroll: true });
    this.intro.textContent = t(told.found ? "points.intro_found" : "points.intro");
    this.showKind();
    this.showHistory();
    this.run();
  }

  build() {
    this.stage = new Stage({
      changed: () => (this.asked = null),
      settled: (byKey = false) => this.settle(byKey),
      chosen: (name) => this.explain(name),
    });
    this.figure = new Figure();
    this.intro = h("p", { class: "hint" }, t("points.loads"));
    this.name = h("strong", {});
    this.hint = h("span", {});
    this.trouble = h("p", { class: "points-trouble", role: "status", hidden: true });
    this.preview = h("img", { alt: t("points.preview") });
    this.useIt = this.tool("use", () => this.keep(), "primary");
    this.undoButton = this.tool("undo", () => this.step(this.past, this.ahead));
    this.redoButton = this.tool("redo", () => this.step(this.ahead, this.past));
    this.dialog = h(
      "dialog",
      { class: "points loads", "aria-labelledby": "points-title" },
      h(
        "div",
        { class: "points-head" },
        h("h2", { id: "points-title" }, t("points.title")),
        this.intro,
      ),
      h("div", { class: "points-left" }, this.stage.root, this.tools()),
      h(
        "div",
        { class: "points-side" },
        h("div", { class: "points-preview" }, this.preview, this.trouble),
        h(
          "div",
          { class: "points-hint", "aria-live": "polite" },
          this.figure.root,
          h("p", {}, this.name, this.hint),
        ),
        this.kinds(),
        h("p", { class: "hint points-help" }, t("points.help")),
        h(
          "div",
          { class: "points-end" },
          this.tool("cancel", () => this.dialog.close()),
          this.useIt,
        ),
      ),
    );
    this.dialog.addEventListener("keydown", (event) => this.key(event));
    this.dialog.addEventListener("close", () => this.closed());
    document.body.append(this.dialog);
  }

  tool(what, act, kind = null) {
    return h("button", { type: "button", class: kind, "data-tool": what, onclick: act }, t(`points.${what}`));
  }

  tools() {
    const sign = (what, text, act) => {
      const button = h("button", { type: "button", class: "glyph", "data-tool": what, onclick: act }, text);
      button.ariaLabel = button.title = t(`points.${what}`);
      return button;
    };
    return h(
      "div",
      { class: "points-tools", role: "group", "aria-label": t("points.tools") },
      h(
        "span",
        { class: "joined" },
        sign("zoom_out", "\u2212", () => this.stage.zoom(1 / 1.4)),
        sign("zoom_in", "+", () => this.stage.zoom(1.4)),
      ),
      this.tool("whole", () => this.stage.fit()),
      h("span", { class: "gap" }),
      this.undoButton,
      this.redoButton,
      this.tool("reset", () => this.reset()),
    );
  }

  kinds() {
    return h(
      "fieldset",
      { class: "points-kinds" },
      h("legend", {}, t("points.kind")),
      KINDS.map((kind) =>
        h(
          "label",
          { title: t(`points.${kind}_hint`) },
          h("input", { type: "radio", name: "points-kind", value: kind, onchange: () => this.setKind(kind) }),
          t(`points.${kind}`),
        ),
      ),
    );
  }

  explain(name) {
    this.figure.show(name);
    this.name.textContent = t(`points.${name}`);
    this.hint.textContent = t(`points.${name}_hint`);
  }

  setKind(kind) {
    this.kind = kind;
    this.asked = null;
    this.settle();
  }

  showKind() {
    for (const input of this.dialog.querySelectorAll("[name=points-kind]")) {
      input.checked = input.value === this.kind;
    }
  }

  now() {
    return { points: this.stage.list(), kind: this.kind };
  }

  // What was done can be undone from here; steps of a key in a row are one.
  settle(byKey = false) {
    const state = JSON.stringify(this.now());
    if (state === this.past.at(-1)) return;
    const row = byKey && this.stage.selected === this.keyed && performance.now() - this.keyedAt < TOGETHER;
    if (row && this.past.length > 1) this.past.pop();
    this.past.push(state);
    this.ahead = [];
    this.keyed = byKey ? this.stage.selected : null;
    this.keyedAt = performance.now();
    this.showHistory();
  }

  // The last of `past` is how it is now.
  step(from, to) {
    if (from === this.past ? this.past.length < 2 : !this.ahead.length) return;
    to.push(from.pop());
    this.keyed = null;
    const { points, kind } = JSON.parse(this.past.at(-1));
    this.kind = kind;
    this.stage.set(points);
    this.asked = null;
    this.showKind();
    this.showHistory();
  }

  reset() {
    this.kind = this.first.kind;
    this.stage.set(this.first.points);
    this.asked = null;
    this.showKind();
    this.settle();
  }

  showHistory() {
    this.undoButton.disabled = this.past.length < 2;
    this.redoButton.disabled = !this.ahead.length;
  }

  key(event) {
    event.stopPropagation(); // The keys of the page rest while this is open.
    const command = event.ctrlKey || event.metaKey;
    const letter = event.key.toLowerCase();
    if (command && letter === "z" && !event.shiftKey) this.step(this.past, this.ahead);
    else if (command && (letter === "y" || (letter === "z" && event.shiftKey))) this.step(this.ahead, this.past);
    else if (command) return;
    else if (event.key === "+" || event.key === "=") this.stage.zoom(1.4);
    else if (event.key === "-") this.stage.zoom(1 / 1.4);
    else if (event.key === "0") this.stage.fit();
    else return;
    event.preventDefault();
  }

  // One preview after the other: what is asked for is always what is there now.
  async run() {
    const { dialog, id } = this;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const begun = performance.now();
    while (this.dialog === dialog) {
      const wish = JSON.stringify(this.now());
      const same = wish === this.asked;
      if (same && (still || this.refused)) {
        await new Promise((go) => setTimeout(go, 60));
        continue;
      }
      this.asked = wish;
      const seconds = (performance.now() - begun) / 1000;
      const frame = still ? 0 : Math.floor(seconds * this.fps) % this.frames;
      const headers = { "Content-Type": "application/json" };
      const body = JSON.stringify({ ...this.now(), frame });
      const answer = await this.ask(`/points/${id}/preview`, { method: "POST", headers, body });
      if (this.dialog !== dialog) return;
      await this.showPreview(answer);
      await new Promise((go) => setTimeout(go, answer ? PAUSE : 1000));
    }
  }

  async showPreview(answer) {
    if (answer?.status === 422) {
      this.refused = (await answer.json()).refused;
    } else if (answer?.status === 200) {
      this.refused = null;
      const url = URL.createObjectURL(await answer.blob());
      if (this.shownUrl) URL.revokeObjectURL(this.shownUrl);
      this.preview.src = this.shownUrl = url;
    }
    this.trouble.hidden = !this.refused;
    this.trouble.textContent = this.refused ?? "";
    this.useIt.disabled = Boolean(this.refused);
  }

  async keep() {
    this.useIt.disabled = true;
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify(this.now());
    const answer = await this.ask(`/points/${this.id}/keep`, { method: "POST", headers, body });
    this.useIt.disabled = false;
    if (answer?.status !== 201) {
      this.refused = t("points.failed");
      if (answer?.status === 422) this.refused = (await answer.json()).refused;
      this.trouble.hidden = false;
      this.trouble.textContent = this.refused;
      return;
    }
    const { avatar } = await answer.json();
    this.dialog.close();
    this.placed(avatar);
  }

  closed() {
    this.stage.close();
    this.dialog.remove();
    this.dialog = null;
    this.refused = this.asked = null;
    for (const url of [this.url, this.shownUrl]) if (url) URL.revokeObjectURL(url);
    this.url = this.shownUrl = null;
  }
}

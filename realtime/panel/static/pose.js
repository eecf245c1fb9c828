// The tab that poses a photo: sliders beside its picture, saved as PNG or kept as expressions.

import { h } from "/dom.js";
import { known, onLanguage, t } from "/i18n.js";
import { ExpressionList, KEYS } from "/expressions.js";

const GROUPS = ["head", "eyes", "brows", "mouth"];
const PRESETS = {
  neutral: {},
  smile: { smile: 0.8, squint: 0.2 },
  laugh: { smile: 1, teeth: 0.7, open: 0.3, squint: 0.5 },
  surprise: { brows: 1, lids: 1, open: 0.55 },
  wink: { wink_right: 1, smile: 0.7, tilt: 0.25 },
  sad: { smile: -0.9, worry: 1, lids: -0.2, nod: -0.2 },
  angry: { brows: -1, squint: 0.4, smile: -0.4 },
  doubt: { brow: 1, aside: 0.5, smile: -0.2 },
  sleepy: { lids: -0.65, brows: 0.3, nod: -0.2 },
  kiss: { pout: 1, lids: -0.3 },
};
// A newer picture of another page was asked for: soon it is our turn.
const AGAIN_AFTER = 120;

// An element whose text follows the language.
export const words = (name, key, attributes = {}) => h(name, { "data-t": key, ...attributes }, t(key));

export class Pose {
  constructor(root, { link, tell, ask }) {
    this.link = link;
    this.tell = tell;
    this.values = {};
    this.avatar = null;
    this.rows = new Map();
    this.tiles = new Map();
    this.open = false;
    this.list = new ExpressionList({
      link,
      ask,
      show: (expression) => this.set(expression.values),
    });
    root.classList.add("pose");
    root.append(this.makeStage(), this.makeSliders(), this.makeKeep());
    onLanguage(() => this.translate());
  }

  makeStage() {
    this.strip = h("div", { class: "pose-avatars", role: "group", "aria-labelledby": "pose-photo" });
    this.image = h("img", { alt: "", draggable: "false" });
    this.note = h("p", { class: "hint pose-note", role: "status", hidden: true });
    this.saveButton = words("button", "pose.save", {
      type: "button", class: "primary", "data-t-title": "pose.save.help", title: t("pose.save.help"),
      onclick: () => this.save(),
    });
    const before = words("button", "pose.before", {
      type: "button", "data-t-title": "pose.before.help", title: t("pose.before.help"),
      "aria-pressed": "false",
    });
    before.addEventListener("click", () => {
      this.before = !this.before;
      before.ariaPressed = String(this.before);
      this.draw();
    });
    this.beforeButton = before;
    return h(
      "section",
      { class: "pose-stage", "aria-labelledby": "pose-photo" },
      words("h2", "pose.photo", { id: "pose-photo" }),
      this.strip,
      h("div", { class: "screen pose-screen" }, this.image),
      this.note,
      h(
        "div",
        { class: "bar" },
        this.saveButton,
        before,
        words("button", "pose.reset", { type: "button", onclick: () => this.set({}) }),
      ),
    );
  }

  makeSliders() {
    const presets = Object.entries(PRESETS).map(([name, values]) =>
      words("button", `pose.preset.${name}`, { type: "button", onclick: () => this.set(values) }),
    );
    this.groups = h("div", { class: "pose-groups" });
    return h(
      "section",
      { class: "pose-sliders", "aria-labelledby": "pose-sliders" },
      words("h2", "pose.sliders", { id: "pose-sliders" }),
      h("div", { class: "bar pose-presets", role: "group", "data-t-label": "pose.presets",
        "aria-label": t("pose.presets") }, presets),
      this.groups,
    );
  }

  makeKeep() {
    const name = h("input", { id: "pose-name", maxlength: 40, autocomplete: "off", required: true });
    const key = h("select", { id: "pose-key" }, KEYS.map((one) => h("option", { value: one ?? "" })));
    this.keyChoice = key;
    const form = h(
      "form",
      { class: "pose-keep" },
      h("label", { for: "pose-name" }, words("span", "pose.name"), name),
      h("label", { for: "pose-key" }, words("span", "pose.key"), key),
      words("button", "pose.keep", { class: "primary" }),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.link.do("pose.keep", {
        name: name.value, values: this.values, key: key.value ? Number(key.value) : null,
      });
      name.value = "";
      key.value = "";
    });
    return h(
      "section",
      { class: "pose-kept", "aria-labelledby": "pose-kept" },
      words("h2", "pose.expressions", { id: "pose-kept" }),
      words("p", "pose.expressions.help", { class: "hint" }),
      form,
      this.list.element,
    );
  }

  entered() {
    this.open = true;
    this.draw();
  }

  left() {
    this.open = false;
  }

  show(state) {
    const { pose } = state;
    if (!pose) return;
    this.available = pose.available;
    this.showAvatars(state);
    const names = JSON.stringify(pose.sliders.map((slider) => slider.name));
    if (names !== this.names) {
      this.names = names;
      this.showSliders(pose.sliders);
    }
    this.list.show(pose);
    this.tellProblem(pose.available ? "" : t("pose.unavailable"));
    this.saveButton.disabled = !pose.available;
    this.translate();
    this.draw();
  }

  showAvatars(state) {
    const usable = state.avatars.filter((avatar) => avatar.state !== "refused");
    if (!usable.some((avatar) => avatar.id === this.avatar?.id)) this.avatar = null;
    const found = usable.find((avatar) => avatar.id === (this.avatar?.id ?? state.current));
    this.avatar = found ?? usable[0] ?? null;
    const ids = new Set(usable.map((avatar) => avatar.id));
    for (const [id, tile] of this.tiles) {
      if (ids.has(id)) continue;
      URL.revokeObjectURL(tile.image.src);
      tile.button.remove();
      this.tiles.delete(id);
    }
    for (const avatar of usable) this.tileOf(avatar);
    const buttons = usable.map((avatar) => this.tiles.get(avatar.id).button);
    if (buttons.some((button, at) => this.strip.children[at] !== button)) {
      this.strip.replaceChildren(...buttons);
    }
  }

  tileOf(avatar) {
    let tile = this.tiles.get(avatar.id);
    if (!tile) {
      const image = h("img", { alt: "" });
      const button = h("button", { type: "button", class: "pose-avatar" }, image);
      button.addEventListener("click", () => this.choose(avatar.id));
      tile = { button, image, picture: 0 };
      this.tiles.set(avatar.id, tile);
      this.strip.append(button);
    }
    tile.avatar = avatar;
    tile.button.ariaLabel = tile.button.title = avatar.name;
    tile.button.ariaPressed = String(avatar.id === this.avatar?.id);
    if (avatar.picture !== tile.picture) {
      tile.picture = avatar.picture;
      this.loadPicture(tile, avatar.id);
    }
  }

  async loadPicture(tile, id) {
    const answer = await this.link.fetch(`/thumbnails/${id}`);
    if (!answer.ok) return;
    URL.revokeObjectURL(tile.image.src);
    tile.image.src = URL.createObjectURL(await answer.blob());
  }

  choose(id) {
    this.avatar = this.tiles.get(id).avatar;
    for (const [other, tile] of this.tiles) tile.button.ariaPressed = String(other === id);
    this.draw();
  }

  showSliders(sliders) {
    this.rows.clear();
    const groups = [...new Set([...GROUPS, ...sliders.map((slider) => slider.group)])];
    this.groups.replaceChildren(
      ...groups.map((group) => {
        const own = sliders.filter((slider) => slider.group === group);
        if (!own.length) return "";
        return h("fieldset", { class: "pose-group" },
          known(`pose.group.${group}`) ? words("legend", `pose.group.${group}`) : h("legend", {}, group),
          own.map((slider) => this.makeRow(slider)));
      }),
    );
  }

  // A range, a number and a button that takes it back, all of one value.
  makeRow(slider) {
    const id = `pose-slider-${slider.name}`;
    const ends = { min: Math.round(slider.least * 100), max: Math.round(slider.most * 100) };
    const range = h("input", { id, type: "range", step: 1, value: 0, ...ends });
    const number = h("input", { type: "number", step: 5, value: 0, ...ends });
    const reset = h("button", { type: "button", class: "quiet pose-zero" }, "↺");
    const label = h("label", { for: id });
    for (const input of [range, number]) {
      input.addEventListener("input", () => this.move(slider, Number(input.value) / 100, input));
    }
    number.addEventListener("change", () => this.place(slider.name));
    reset.addEventListener("click", () => this.move(slider, 0));
    range.addEventListener("dblclick", () => this.move(slider, 0));
    this.rows.set(slider.name, { slider, range, number, reset, label });
    return h("div", { class: "pose-row" }, label, range, number, reset);
  }

  move(slider, value, from = null) {
    const within = Math.min(Math.max(value, slider.least), slider.most);
    if (within) this.values[slider.name] = within;
    else delete this.values[slider.name];
    this.place(slider.name, from);
    this.moved();
  }

  // Every value at once.
  set(values) {
    this.values = Object.fromEntries(
      Object.entries(values).filter(([name, value]) => this.rows.has(name) && value),
    );
    for (const name of this.rows.keys()) this.place(name);
    this.moved();
  }

  moved() {
    if (this.before) this.beforeButton.click();
    this.draw();
  }

  // Show a value in all fields but the one that somebody types into.
  place(name, from = null) {
    const { range, number, reset } = this.rows.get(name);
    const shown = Math.round((this.values[name] ?? 0) * 100);
    if (from !== range) range.value = shown;
    if (from !== number) number.value = shown;
    range.setAttribute("aria-valuetext", `${shown} %`);
    reset.disabled = !shown;
  }

  // Ask for the picture of the values; while one is on its way, only the newest is asked for next.
  async draw() {
    if (!this.open || !this.available || !this.avatar) return;
    const values = this.before ? {} : this.values;
    const asked = JSON.stringify({ avatar: this.avatar.id, values });
    const key = `${asked} ${this.avatar.picture}`;
    if (this.asking || key === this.drawn) return;
    this.asking = true;
    // A photo that is made ready first takes a second or two.
    const screen = this.image.parentElement;
    const late = setTimeout(() => screen.classList.add("waiting"), 400);
    try {
      const answer = await this.link.fetch("/pose/preview", { method: "POST", body: asked });
      if (answer.status === 409) {
        await new Promise((done) => setTimeout(done, AGAIN_AFTER));
      } else {
        this.drawn = key;
        if (answer.ok) this.showPicture(await answer.blob());
        else if (answer.status === 422) this.tellProblem((await answer.json()).refused);
      }
    } catch {
      this.drawn = key; // The program is gone; the page says so.
    } finally {
      clearTimeout(late);
      screen.classList.remove("waiting");
      this.asking = false;
    }
    this.draw();
  }

  showPicture(blob) {
    const before = this.image.src;
    this.image.src = URL.createObjectURL(blob);
    this.image.alt = t("pose.picture", { name: this.avatar.name });
    if (before) URL.revokeObjectURL(before);
    this.tellProblem("");
  }

  tellProblem(line) {
    this.note.textContent = line;
    this.note.hidden = !line;
  }

  async save() {
    const { name, id } = this.avatar;
    this.saveButton.disabled = true;
    this.saveButton.ariaBusy = "true";
    try {
      const body = JSON.stringify({ avatar: id, values: this.values });
      const answer = await this.link.fetch("/pose/picture", { method: "POST", body });
      if (!answer.ok) {
        this.tell(answer.status === 422 ? (await answer.json()).refused : t("pose.failed"));
        return;
      }
      const address = URL.createObjectURL(await answer.blob());
      h("a", { href: address, download: `${name}.png` }).click();
      setTimeout(() => URL.revokeObjectURL(address), 10_000);
      const signed = answer.headers.get("X-Signed") === "yes";
      this.tell(t(signed ? "pose.saved.signed" : "pose.saved", { name: `${name}.png` }));
    } catch {
      this.tell(t("pose.failed"));
    } finally {
      this.saveButton.disabled = !this.available;
      this.saveButton.ariaBusy = "false";
    }
  }

  translate() {
    for (const { slider, range, number, reset, label } of this.rows.values()) {
      const own = known(`pose.slider.${slider.name}`);
      const text = own ? t(`pose.slider.${slider.name}`) : slider.label;
      label.textContent = text;
      label.title = range.title = own ? t(`pose.slider.${slider.name}.help`) : slider.help;
      number.ariaLabel = t("pose.percent", { name: text });
      reset.ariaLabel = reset.title = t("pose.zero", { name: text });
      this.place(slider.name, document.activeElement === number ? number : null);
    }
    [...this.keyChoice.options].forEach((option, at) => {
      option.textContent = KEYS[at] === null ? t("pose.key.none") : `Alt+${KEYS[at]}`;
    });
    this.list.translate();
  }
}

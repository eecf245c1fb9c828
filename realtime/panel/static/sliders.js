// Sliders: each with a number field and a way back to what is usual.

import { h } from "/dom.js";
import { known, onLanguage, t } from "/i18n.js";

const WAIT = 1200; // Milliseconds after the last input for which what stands here counts.
const STEPS = 40;

// One slider; `set(value)` sends a value to the program.
export class Slider {
  constructor({ name, label, least, most, usual, help = "" }, set) {
    Object.assign(this, { name, label, least, most, usual, help, set });
    this.ours = null; // {value, until}: what was set here and the program has not said yet.
    this.said = usual;
    this.timer = 0;
    const step = (most - least) / STEPS;
    this.range = h("input", { type: "range", id: `slider-${name}`, min: least, max: most, step });
    this.range.dataset.slider = name;
    this.title = h("label", { for: `slider-${name}` });
    this.number = h("input", {
      type: "number",
      min: Math.round(least * 100),
      max: Math.round(most * 100),
      step: 1,
    });
    this.back = h("button", { type: "button", class: "quiet" }, "\u21ba");
    this.element = h(
      "div",
      { class: "slider" },
      this.title,
      h("span", { class: "number" }, this.number, "%"),
      this.back,
      this.range,
    );
    this.range.addEventListener("input", () => this.move(Number(this.range.value)));
    this.number.addEventListener("change", () => {
      const value = Number(this.number.value) / 100;
      if (this.number.value !== "" && Number.isFinite(value)) this.move(value);
      else this.place(this.said);
    });
    this.back.addEventListener("click", () => this.move(usual));
    for (const start of ["pointerdown", "keydown"]) {
      this.range.addEventListener(start, () => (this.held = true));
    }
    for (const end of ["pointerup", "pointercancel", "keyup", "blur"]) {
      this.range.addEventListener(end, () => this.letGo());
    }
    this.translate();
  }

  translate() {
    const own = known(`slider.${this.name}`);
    const label = own ? t(`slider.${this.name}`) : this.label;
    this.title.textContent = label;
    this.element.title = known(`slider.${this.name}_help`)
      ? t(`slider.${this.name}_help`)
      : this.help;
    this.number.ariaLabel = t("slider.number", { label });
    this.back.ariaLabel = this.back.title = t("slider.reset", { label });
  }

  move(value) {
    const bounded = Math.min(Math.max(value, this.least), this.most);
    this.expect(bounded);
    this.set(bounded);
  }

  // The program was asked for this value, and will say so; until then older ones may come.
  expect(value) {
    this.ours = { value, until: performance.now() + WAIT };
    this.place(value);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.settle(), WAIT);
  }

  get value() {
    return this.ours?.value ?? this.said;
  }

  letGo() {
    this.held = false;
    if (!this.ours) this.place(this.said);
  }

  settle() {
    if (this.held) {
      this.timer = setTimeout(() => this.settle(), WAIT);
      return;
    }
    this.ours = null;
    this.place(this.said);
  }

  // What the program says; what was set here wins until it has come round.
  show(value, usable = true) {
    this.said = value;
    this.range.disabled = this.number.disabled = this.back.disabled = !usable;
    this.element.classList.toggle("off", !usable);
    if (this.ours && Math.abs(this.ours.value - value) < 1e-6) this.ours = null;
    if (!this.ours && !this.held) this.place(value);
  }

  place(value) {
    this.range.value = value;
    const percent = Math.round(value * 100);
    this.range.setAttribute("aria-valuetext", `${percent} %`);
    if (document.activeElement !== this.number || this.ours) this.number.value = percent;
  }
}

// The sliders of the backend that runs; built anew when it is another one.
export class Sliders {
  constructor(link) {
    this.link = link;
    this.all = new Map();
    const usual = { name: "overlay", label: "", least: 0, most: 1, usual: 0 };
    this.overlay = new Slider(usual, (value) => link.do("overlay", value));
    document.getElementById("overlay").append(this.overlay.element);
    onLanguage(() => {
      this.overlay.translate();
      for (const one of this.all.values()) one.translate();
    });
  }

  show(state) {
    this.overlay.show(state.settings.overlay);
    const names = JSON.stringify(state.sliders.map(({ name, least, most }) => [name, least, most]));
    if (names !== this.names) {
      this.names = names;
      this.all = new Map(
        state.sliders.map((one) => [
          one.name,
          new Slider(one, (value) => this.link.do(one.name, value)),
        ]),
      );
      const elements = [...this.all.values()].map((one) => one.element);
      document.getElementById("sliders").replaceChildren(...elements);
    }
    for (const one of state.sliders) this.all.get(one.name).show(one.value, one.usable);
    const note = document.getElementById("slider-note");
    note.hidden = state.sliders.every((one) => one.usable);
  }

  // A key has asked the program to go on from where the overlay stands.
  overlayBy(step) {
    const value = Math.min(Math.max(this.overlay.value + step, 0), 1);
    this.overlay.expect(Math.round(value * 1000) / 1000);
  }
}

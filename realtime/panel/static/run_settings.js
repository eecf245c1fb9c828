// What is set up seldom: how the photo is moved, on what, in which size, and what is around it.

import { h } from "/dom.js";
import { onLanguage, t } from "/i18n.js";

const TURNS = [0, 90, 180, 270];
const BACKGROUNDS = ["keep", "blur", "green", "photo"];
const FACES = 5; // More people on one photo are cropped instead.

export class RunSettings {
  constructor(context) {
    this.context = context;
    this.state = null;
    this.fields = {};
    this.title = h("h2", { id: "settings-title" });
    this.body = h("div", { class: "settings" });
    this.busy = h("p", { class: "setup-busy", role: "status", hidden: true });
    const close = () => this.dialog.close();
    this.shut = h("button", { type: "button", class: "primary", onclick: close });
    this.dialog = h(
      "dialog",
      { class: "wide", "aria-labelledby": "settings-title" },
      this.title,
      this.body,
      this.busy,
      h("div", { class: "bar end" }, this.shut),
    );
    document.body.append(this.dialog);
    const groups = [
      ["picture", ["face", "fit", "background"]],
      ["motion", ["backend", "device", "rotate"]],
      ["output", ["size", "fps"]],
    ];
    this.legends = groups.map(([group]) => [group, h("legend", {})]);
    groups.forEach(([, names], at) => {
      const fields = names.map((name) => this.field(name));
      if (names.includes("background")) fields.push(this.backdropField());
      this.body.append(h("fieldset", {}, this.legends[at][1], ...fields));
    });
    onLanguage(() => this.state && this.show(this.state));
  }

  field(name) {
    const select = h("select", { "data-setting": name, "aria-describedby": `why-${name}` });
    select.addEventListener("change", () => {
      this.context.link.do(name, JSON.parse(select.value));
    });
    const label = h("span", {});
    const note = h("small", { id: `why-${name}` });
    this.fields[name] = { select, label, note };
    return h("label", { class: "field" }, label, select, note);
  }

  // The photo behind the person: chosen here, and put there at once.
  backdropField() {
    this.file = h("input", { type: "file", accept: "image/*,.heic,.heif,.avif", hidden: true });
    this.file.addEventListener("change", () => this.give(this.file.files[0]));
    this.ask = h("button", { type: "button", onclick: () => this.file.click() });
    return h("div", { class: "bar" }, this.ask, this.file);
  }

  async give(file) {
    if (!file) return;
    const { link, tell } = this.context;
    try {
      const answer = await link.fetch("/background", { method: "POST", body: file });
      if (answer.ok) link.do("background", "photo");
      else tell((await answer.json()).refused, { alarm: true });
    } catch {
      tell(t("settings.not_sent"), { alarm: true });
    }
    this.file.value = "";
  }

  open() {
    this.show(this.state);
    this.dialog.showModal();
  }

  show(state) {
    this.state = state;
    const { setup } = state ?? {};
    if (!setup) return;
    this.title.textContent = t("settings.title");
    this.shut.textContent = t("chooser.close");
    for (const [group, legend] of this.legends) legend.textContent = t(`settings.group.${group}`);
    this.ask.textContent = t("settings.photo");
    this.busy.hidden = !setup.busy;
    this.busy.textContent = setup.busy ? t("settings.changing") : "";
    for (const [name, values] of Object.entries(choicesOf(setup))) {
      this.fill(name, values, setup[name]);
    }
  }

  // values: {value, text, why?}; one with a reason cannot be chosen.
  fill(name, values, current) {
    const { select, label, note } = this.fields[name];
    const now = typeof current === "object" && current !== null ? current.choice : current;
    label.textContent = t(`settings.${name}`);
    const lacks = values.filter((one) => one.why).map((one) => `${one.text}: ${one.why}`);
    note.textContent = lacks.join(" ") || t(`settings.${name}_note`);
    const text = JSON.stringify(values);
    if (text !== this.fields[name].shown) {
      this.fields[name].shown = text;
      select.replaceChildren(
        ...values.map((one) => {
          const words = one.why ? t("settings.not_here", { name: one.text }) : one.text;
          const value = JSON.stringify(one.value);
          return h("option", { value, disabled: Boolean(one.why) }, words);
        }),
      );
    }
    select.value = JSON.stringify(now);
    select.disabled = Boolean(this.state.setup.busy);
  }
}

function choicesOf(setup) {
  const known = (name, value) => t(`settings.${name}.${value}`);
  const sizes = setup.sizes.includes(setup.size) ? setup.sizes : [setup.size, ...setup.sizes];
  const rates = setup.rates.includes(setup.fps) ? setup.rates : [setup.fps, ...setup.rates];
  return {
    backend: setup.backend.choices.map((one) => ({
      ...{ value: one.name, text: one.label, why: one.available ? "" : one.why },
    })),
    device: setup.device.choices.map((one) => ({
      value: one.name,
      text: one.name === "auto" ? t("settings.device.auto") : one.label,
    })),
    size: sizes.map((value) => ({ value, text: value.replace("x", " × ") })),
    fps: rates.map((value) => ({ value, text: t("settings.rate", { rate: value }) })),
    fit: setup.fits.map((value) => ({ value, text: known("fit", value) })),
    rotate: TURNS.map((value) => ({ value, text: known("rotate", value) })),
    face: [null, ...Array.from({ length: FACES }, (_, at) => at + 1)].map((value) => ({
      value,
      text: value === null ? t("settings.face.auto") : t("settings.face.number", { number: value }),
    })),
    background: BACKGROUNDS.map((value) => ({ value, text: known("background", value) })),
  };
}

// Where the picture goes: a virtual camera, the page for OBS, or a recording alone.

import { h } from "/dom.js";
import { onLanguage, t } from "/i18n.js";
import { icon } from "/icons.js";

const EVERY = 3000; // Milliseconds from one look around to the next, while the dialog is open.
const STORE = "via-page";

// What was chosen that is no virtual camera: "obs", "recording", or null. Kept by this browser.
export const viaPage = () => localStorage.getItem(STORE);

function keep(what) {
  if (what) localStorage.setItem(STORE, what);
  else localStorage.removeItem(STORE);
  dispatchEvent(new Event("via-page"));
}

export class Places {
  constructor(context) {
    this.context = context;
    this.state = null;
    this.found = null;
    this.build();
    onLanguage(() => this.dialog.open && this.fill());
  }

  build() {
    this.title = h("h2", { id: "places-title" });
    this.list = h("ul", { class: "choices rows", "aria-labelledby": "places-title" });
    this.intro = h("p", {});
    this.command = h("code", { class: "copyable" });
    const copy = () => this.toClipboard();
    this.copy = h("button", { type: "button", class: "primary", onclick: copy });
    this.check = h("button", { type: "button", onclick: () => this.look(true) });
    this.checked = h("p", { class: "hint", role: "status" });
    this.steps = h("ol", { class: "steps plain" });
    this.does = h("summary", {});
    this.more = h("details", {}, this.does, this.steps);
    this.hand = h("ol", { class: "steps" });
    this.setUp = h(
      "div",
      { class: "set-up", hidden: true },
      this.intro,
      h("div", { class: "copy-line" }, this.command, this.copy),
      this.hand,
      this.more,
      h("div", { class: "bar" }, this.check, this.checked),
    );
    this.reading = h("p", { class: "reading", role: "status" });
    this.shut = h("button", { type: "button", onclick: () => this.dialog.close() });
    this.dialog = h(
      "dialog",
      { class: "wide", "aria-labelledby": "places-title" },
      this.title,
      this.reading,
      this.setUp,
      this.list,
      h("div", { class: "bar end" }, this.shut),
    );
    document.body.append(this.dialog);
  }

  async open() {
    this.fill();
    this.dialog.showModal();
    while (this.dialog.open) {
      await this.look();
      await new Promise((done) => setTimeout(done, EVERY));
    }
  }

  async look(asked = false) {
    if (asked) this.checked.textContent = t("places.checking");
    try {
      const answer = await this.context.link.fetch("/places");
      if (answer.ok) this.found = await answer.json();
    } catch {
      return; // The program is gone; the page says so.
    }
    this.fill();
    if (asked) this.checked.textContent = t(this.usable.length ? "places.is" : "places.is_not");
  }

  get usable() {
    return (this.found?.cameras ?? []).filter((one) => one.usable);
  }

  fill() {
    this.title.textContent = t("places.title");
    this.shut.textContent = t("chooser.close");
    this.copy.textContent = t("places.copy");
    this.check.textContent = t("places.check");
    this.does.textContent = t("places.does");
    const entries = this.usable.map((one) => ({
      ...{ choice: one.choice, name: one.name.replace(/ \(\/dev\/\w+\)$/, ""), drawing: "camera" },
      ...{ note: t("places.camera_note"), press: () => this.choose(one.choice) },
    }));
    for (const choice of ["obs", "recording", "nothing"]) {
      entries.push({
        ...{ choice, name: t(`places.${choice}`), drawing: choice },
        ...{ note: t(`places.${choice}_note`), press: () => this.via(choice) },
      });
    }
    const current = this.current();
    this.show(this.state);
    const text = JSON.stringify([entries, current]);
    if (text !== this.filled) {
      this.filled = text;
      const focused = document.activeElement?.dataset?.place;
      this.list.replaceChildren(...entries.map((one) => entry(one, one.choice === current)));
      this.list.querySelector(`[data-place="${focused}"]`)?.focus();
    }
    this.fillSetUp();
  }

  fillSetUp() {
    const remedy = this.found?.remedy;
    this.setUp.hidden = !remedy || this.usable.length > 0;
    if (this.setUp.hidden) return;
    this.intro.textContent = remedy.blocked || t("places.intro");
    this.command.textContent = remedy.command;
    this.hand.replaceChildren(...remedy.by_hand.map((sentence) => h("li", {}, sentence)));
    this.hand.hidden = !remedy.by_hand.length;
    this.more.hidden = !remedy.does.length;
    this.steps.replaceChildren(
      ...remedy.does.map(({ what, line }) =>
        h("li", {}, h("code", {}, line), h("small", {}, what)),
      ),
    );
  }

  // Which of the entries is taken now.
  current() {
    const output = this.state?.setup?.output;
    if (!output || output.choice === "none") return viaPage() ?? (output ? "nothing" : null);
    const named = this.usable.find(
      (one) => one.choice === output.choice || one.name === output.name,
    );
    return (named ?? this.usable[0])?.choice ?? null;
  }

  show(state) {
    this.state = state;
    const output = state?.setup?.output;
    const word = { true: "setup.output.read", false: "setup.output.unread" }[output?.reading];
    this.reading.hidden = output?.state !== "open" || !word;
    this.reading.textContent = word ? t(word) : "";
    this.reading.classList.toggle("good", output?.reading === true);
  }

  choose(choice) {
    keep(null);
    this.context.link.do("output", choice);
    this.dialog.close();
  }

  via(name) {
    keep(name === "nothing" ? null : name);
    if (this.state?.setup?.output.choice !== "none") this.context.link.do("output", "none");
    this.dialog.close();
    if (name === "obs") document.getElementById("obs-button")?.click();
  }

  async toClipboard() {
    try {
      await navigator.clipboard.writeText(this.command.textContent);
      this.checked.textContent = t("places.copied");
    } catch {
      getSelection().selectAllChildren(this.command);
      this.checked.textContent = t("places.select");
    }
  }
}

function entry({ choice, name, note, drawing, press }, on) {
  return h(
    "li",
    {},
    h(
      "button",
      {
        ...{ type: "button", class: "choice", "data-place": choice },
        ...{ "aria-pressed": String(on), onclick: press },
      },
      h("span", { class: "choice-icon" }, icon(drawing)),
      h(
        "span",
        { class: "choice-words" },
        h("span", { class: "choice-name" }, name),
        h("span", { class: "choice-note" }, note),
      ),
    ),
  );
}

// The named expressions: a list that plays them live, and Alt with a number that does the same.

import { h } from "/dom.js";
import { t } from "/i18n.js";

export const KEYS = [null, 1, 2, 3, 4, 5, 6, 7, 8, 9];
// Longer than this a key is held, and ends with it; shorter it turns over.
const HELD_AFTER = 400;

export class ExpressionList {
  // actions: { link, ask, show(expression) }.
  constructor({ link, ask, show }) {
    this.link = link;
    this.ask = ask;
    this.put = show;
    this.expressions = [];
    this.held = null;
    this.element = h("ul", { class: "expressions" });
    addEventListener("keydown", (event) => this.down(event));
    addEventListener("keyup", (event) => this.up(event));
    addEventListener("blur", () => this.letGo());
  }

  show({ expressions, playing, available }) {
    this.expressions = expressions;
    this.playing = playing;
    this.available = available;
    const text = JSON.stringify([expressions, available]);
    if (text !== this.shown && !this.editing) this.build(text);
    for (const button of this.element.querySelectorAll("[data-play]")) {
      button.ariaPressed = String(button.dataset.play === playing);
    }
  }

  build(text) {
    this.shown = text;
    const focused = document.activeElement;
    const back = this.element.contains(focused) ? focused.dataset.focus : null;
    const rows = this.expressions.map((expression) => this.makeRow(expression));
    this.element.replaceChildren(
      ...(rows.length ? rows : [h("li", { class: "hint" }, t("pose.none"))]),
    );
    for (const button of back ? this.element.querySelectorAll("[data-focus]") : []) {
      if (button.dataset.focus === back) button.focus({ preventScroll: true });
    }
  }

  makeRow(expression) {
    const { name, key } = expression;
    const button = (action, words, attributes, ...more) =>
      h("button", {
        type: "button", "data-focus": `${action} ${name}`, "aria-label": `${words}: ${name}`,
        ...attributes,
      }, ...more);
    return h(
      "li",
      {},
      button("play", t("pose.play"), {
        class: "pose-play", "data-play": name, title: t("pose.play.help"),
        "aria-keyshortcuts": key ? `Alt+${key}` : null, disabled: !this.available,
        onclick: () => this.play(name, null),
      }, h("span", {}, name), key ? h("kbd", { "aria-hidden": "true" }, `Alt+${key}`) : null),
      button("put", t("pose.put"), {
        title: t("pose.put.help"), onclick: () => this.put(expression),
      }, t("pose.put")),
      button("edit", t("pose.rename"), {
        class: "quiet", title: t("pose.rename"), onclick: (event) => this.edit(expression, event.target),
      }, "✎"),
      button("remove", t("pose.remove"), {
        class: "quiet", title: t("pose.remove"), onclick: () => this.remove(name),
      }, "✕"),
    );
  }

  edit({ name, key }, button) {
    const field = h("input", { value: name, maxlength: 40, required: true, "aria-label": t("pose.name") });
    const choice = h("select", { "aria-label": t("pose.key") }, KEYS.map((one) =>
      h("option", { value: one ?? "", selected: one === key },
        one === null ? t("pose.key.none") : `Alt+${one}`)));
    const done = () => {
      this.editing = false;
      this.build(JSON.stringify([this.expressions, this.available]));
    };
    const form = h("form", { class: "pose-edit" }, field, choice,
      h("button", { class: "primary" }, t("pose.rename.done")),
      h("button", { type: "button", onclick: done }, t("pose.rename.cancel")));
    form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation(); // It would ask whether to end the program.
      done();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.link.do("pose.rename", {
        name, to: field.value, key: choice.value ? Number(choice.value) : null,
      });
      done();
    });
    this.editing = true;
    button.closest("li").replaceChildren(form);
    field.select();
  }

  async remove(name) {
    const question = {
      title: t("pose.remove.title", { name }), text: t("pose.remove.text"), yes: t("pose.remove"),
      danger: true,
    };
    if (await this.ask(question)) this.link.do("pose.remove", name);
  }

  play(name, on) {
    this.link.do("pose.play", { name, on });
  }

  // By the key's position, so that it is the same on every keyboard.
  down(event) {
    const digit = /^Digit([1-9])$/.exec(event.code)?.[1];
    if (!digit || !event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (document.body.dataset.keys === "off" || document.querySelector("dialog[open]")) return;
    if (event.target.matches?.("input:not([type=range]), textarea")) return;
    const found = this.expressions.find((one) => one.key === Number(digit));
    if (!found) return;
    event.preventDefault();
    if (event.repeat || this.held) return;
    const on = this.playing !== found.name;
    this.play(found.name, on);
    if (on) this.held = { code: event.code, name: found.name, since: performance.now() };
  }

  up(event) {
    if (this.held?.code !== event.code) return;
    if (performance.now() - this.held.since > HELD_AFTER) this.letGo();
    else this.held = null;
  }

  letGo() {
    if (this.held) this.play(this.held.name, false);
    this.held = null;
  }

  translate() {
    const language = document.documentElement.lang;
    if (language === this.language) return;
    this.language = language;
    if (!this.editing) this.build(this.shown);
  }
}

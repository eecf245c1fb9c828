// The keys: the program says what each one does, by the place it has on an English keyboard.

import { h } from "/dom.js";
import { known, onLanguage, t } from "/i18n.js";

const $ = (id) => document.getElementById(id);
const STORE = "keys";

// What an English keyboard types with the key at this place; Caps Lock and other letters on it,
// as of a Cyrillic or a German keyboard, change nothing.
export function typed(event) {
  const letter = /^Key([A-Z])$/.exec(event.code)?.[1];
  if (letter) return event.shiftKey ? letter : letter.toLowerCase();
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1];
  if (digit) return event.shiftKey ? "" : digit;
  if (event.code === "NumpadEnter") return "Enter";
  return event.key;
}

export class Keys {
  // asked(key): told of every key that acts.
  constructor(link, asked = () => {}) {
    this.link = link;
    this.asked = asked;
    this.list = [];
    this.known = new Map();
    this.held = new Map();
    this.letters = null;
    this.on = localStorage.getItem(STORE) !== "off";
    addEventListener("keydown", (event) => this.down(event));
    addEventListener("keyup", (event) => this.up(event));
    addEventListener("blur", () => this.letGo());
    $("help-button").addEventListener("click", () => $("help").showModal());
    $("keys-on").addEventListener("change", () => this.turn($("keys-on").checked));
    this.turn(this.on);
    this.label();
    this.readLayout();
    onLanguage(() => this.label());
  }

  turn(on) {
    this.on = on;
    $("keys-on").checked = on;
    document.body.dataset.keys = on ? "on" : "off";
    localStorage.setItem(STORE, on ? "on" : "off");
    if (!on) this.letGo();
    this.label();
  }

  // The letters that are printed on the user's keys, where the browser tells them.
  async readLayout() {
    try {
      this.letters = await navigator.keyboard?.getLayoutMap?.();
    } catch {
      return; // A frame of another site may not ask.
    }
    if (this.letters) this.label();
  }

  // A key as the user finds it on the keyboard.
  shown(key) {
    if (key === "Escape") return "Esc";
    if (key.length > 1) return key;
    const code = /\d/.test(key) ? `Digit${key}` : `Key${key.toUpperCase()}`;
    const letter = /\d/.test(key) ? key : (this.letters?.get(code) ?? key);
    return /^[A-Z]$/.test(key) ? `Shift+${letter.toUpperCase()}` : letter.toUpperCase();
  }

  label() {
    for (const button of document.querySelectorAll("[data-key]")) {
      const words = this.shown(button.dataset.key);
      let key = button.querySelector("kbd");
      if (!key) button.append((key = h("kbd", { "aria-hidden": "true" })));
      key.textContent = words;
      if (this.on) button.setAttribute("aria-keyshortcuts", words);
      else button.removeAttribute("aria-keyshortcuts");
    }
    this.listAll();
  }

  learn(keys) {
    this.list = keys;
    this.known = new Map(keys.map((key) => [key.key, key]));
    this.listAll();
  }

  listAll() {
    const rows = [];
    if (this.list.some((key) => key.key === "1")) rows.push(["1-9", t("key.number")]);
    for (const key of this.list) {
      if (/^[1-9]$/.test(key.key)) continue;
      const name = key.value === null ? `key.${key.command}` : `key.${key.command}_${key.value}`;
      rows.push([this.shown(key.key), known(name) && !key.hold ? t(name) : this.help(key, name)]);
    }
    rows.push(["Alt+1-9", t("key.expression")]);
    rows.push(["?", t("key.help")]);
    $("keys").replaceChildren(
      ...rows.map(([key, help]) =>
        h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, help)),
      ),
    );
  }

  help(key, name) {
    return known(`${name}_held`) && key.hold ? t(`${name}_held`) : key.help;
  }

  down(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (!this.on || document.body.dataset.tab !== "live") return;
    if (document.body.dataset.status !== "open") return;
    if (document.querySelector("dialog[open]")) return;
    const target = event.target;
    if (target.matches?.("input:not([type=range]), textarea, select, [contenteditable]")) return;
    const pressed = typed(event);
    // Enter and Space on a button press that button.
    if (pressed === "Enter" && target !== document.body) return;
    if (event.key === "?" || (event.code === "Slash" && event.shiftKey)) {
      $("help").showModal();
      event.preventDefault();
      return;
    }
    if (pressed === "Escape") {
      $("quit").showModal();
      event.preventDefault();
      return;
    }
    const key = this.known.get(pressed);
    if (!key) return;
    event.preventDefault();
    if (key.hold) {
      if (!event.repeat) {
        this.held.set(event.code, key);
        this.link.do(key.command, true);
      }
    } else if (!event.repeat || typeof key.value === "number" || key.command === "pan") {
      this.link.do(key.command, key.value);
      this.asked(key);
    }
  }

  up(event) {
    const key = this.held.get(event.code);
    if (key) {
      this.held.delete(event.code);
      this.link.do(key.command, false);
    }
  }

  letGo() {
    for (const key of this.held.values()) this.link.do(key.command, false);
    this.held.clear();
  }
}

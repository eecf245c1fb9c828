// The keys: the program says what each one does.

import { shown } from "/controls.js";

const $ = (id) => document.getElementById(id);

export class Keys {
  constructor(link) {
    this.link = link;
    this.known = new Map();
    this.held = new Map();
    addEventListener("keydown", (event) => this.down(event));
    addEventListener("keyup", (event) => this.up(event));
    addEventListener("blur", () => this.letGo());
    $("help-button").addEventListener("click", () => $("help").showModal());
  }

  learn(keys) {
    this.known = new Map(keys.map((key) => [key.key, key]));
    const digits = keys.filter((key) => /^[1-9]$/.test(key.key));
    const others = keys.filter((key) => !/^[1-9]$/.test(key.key));
    const rows = [["1-9", digits.length ? "avatar of this number" : ""]];
    for (const key of others) rows.push([shown(key.key), key.help]);
    rows.push(["?", "these keys"]);
    $("keys").replaceChildren(
      ...rows.map(([key, help]) => {
        const row = document.createElement("div");
        const name = document.createElement("dt");
        const sign = document.createElement("kbd");
        sign.textContent = key;
        name.append(sign);
        const meaning = document.createElement("dd");
        meaning.textContent = help;
        row.append(name, meaning);
        return row;
      }),
    );
  }

  down(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]")) return;
    const target = event.target;
    if (target.matches?.("input:not([type=range]), textarea, select")) return;
    // Enter and Space on a button press that button.
    if (event.key === "Enter" && target !== document.body) return;
    if (event.key === "?") {
      $("help").showModal();
      event.preventDefault();
      return;
    }
    if (event.key === "Escape") {
      $("quit").showModal();
      event.preventDefault();
      return;
    }
    const key = this.known.get(event.key);
    if (!key) return;
    event.preventDefault();
    if (key.hold) {
      if (!event.repeat) {
        this.held.set(event.code, key);
        this.link.do(key.command, true);
      }
    } else if (!event.repeat || typeof key.value === "number" || key.command === "pan") {
      this.link.do(key.command, key.value);
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

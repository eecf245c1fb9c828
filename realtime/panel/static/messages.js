// What the program says: shortly in the corner, and all of it, with times, in a panel.

import { h } from "/dom.js";
import { language, onLanguage, t } from "/i18n.js";

const $ = (id) => document.getElementById(id);
const SHOWN = 9000; // Milliseconds for which a message that needs no answer is shown.
const MOST = 4; // In the corner at once.
const KEPT = 200;

export class Messages {
  constructor() {
    this.all = []; // {at, line, alarm, over, subject, number, item, toast}
    this.told = null; // The number of the newest line that the program said and that was shown.
    this.unread = 0;
    $("messages-button").addEventListener("click", () => this.open($("history").hidden));
    $("history-close").addEventListener("click", () => {
      this.open(false);
      $("messages-button").focus();
    });
    $("history").addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.open(false);
      $("messages-button").focus();
    });
    onLanguage(() => this.renderAll());
  }

  open(on) {
    $("history").hidden = !on;
    $("messages-button").ariaExpanded = String(on);
    if (!on) return;
    this.count(0);
    $("history-close").focus();
  }

  count(unread) {
    this.unread = unread;
    $("unread").hidden = unread === 0;
    $("unread").textContent = unread;
  }

  // Another run, or the same one again, whose lines have their own numbers.
  greet() {
    this.told = null;
  }

  // Something of this page alone. An alarm stays until it is put away.
  tell(line, { alarm = false, subject = "", action = null } = {}) {
    this.add({ at: Date.now(), line, alarm, subject, action, over: false, number: null }, true);
  }

  // A state of the page's own is over: what told it is no longer true.
  withdraw(subject) {
    for (const one of this.all) if (one.number === null && one.subject === subject) this.end(one);
  }

  // Everything that the program said of late, the oldest first.
  show(said) {
    const first = this.told === null;
    if (first) {
      for (const one of this.all) if (one.number !== null) one.number = -1;
    }
    const known = new Map(this.all.filter((one) => one.number > 0).map((one) => [one.number, one]));
    for (const { number, line, at, alarm, subject, over } of said) {
      const old = known.get(number);
      if (old) {
        if (over) this.end(old);
        continue;
      }
      const again = this.all.find((one) => one.line === line && one.at === at * 1000);
      if (again) {
        again.number = number;
        if (over) this.end(again);
        continue;
      }
      // Lines from before this page was opened are not news, unless they hold still.
      const news = !over && (!first || alarm);
      this.add({ at: at * 1000, line, alarm, subject, over, number, action: null }, news);
    }
    this.told = said.at(-1)?.number ?? 0;
  }

  add(one, news) {
    this.all.push(one);
    while (this.all.length > KEPT) this.end(this.all.shift());
    one.item = h("li", {});
    this.render(one);
    $("history-list").prepend(one.item);
    while ($("history-list").children.length > KEPT) $("history-list").lastChild.remove();
    $("history-none").hidden = true;
    if (!news) return;
    for (const other of this.all) if (other !== one && other.line === one.line) this.away(other);
    this.pop(one);
    if ($("history").hidden) this.count(this.unread + 1);
  }

  pop(one) {
    const away = h("button", { type: "button", onclick: () => this.away(one) }, "\u00d7");
    away.ariaLabel = away.title = t("messages.away");
    const act = one.action && h("button", { type: "button" }, one.action.label);
    act?.addEventListener("click", () => {
      one.action.act();
      this.away(one);
    });
    one.toast = h("li", { class: one.alarm ? "alarm" : "" }, h("span", {}, one.line), act, away);
    $("lines").append(one.toast);
    const calm = this.all.filter((other) => other.toast && !other.alarm);
    const shown = $("lines").children.length;
    if (shown > MOST && calm.length > 1) this.away(calm[0]);
    if (!one.alarm) this.later(one);
  }

  // Whoever reads it, or is about to press its button, is given the time.
  later(one) {
    setTimeout(() => {
      if (one.toast?.matches(":hover, :focus-within")) this.later(one);
      else this.away(one);
    }, SHOWN);
  }

  away(one) {
    one.toast?.remove();
    one.toast = null;
  }

  end(one) {
    if (one.over) return;
    one.over = true;
    this.away(one);
    this.render(one);
  }

  render(one) {
    const time = new Date(one.at).toLocaleTimeString(language());
    one.item.className = `${one.alarm ? "alarm" : ""} ${one.over ? "over" : ""}`.trim();
    one.item.replaceChildren(
      h("time", {}, time),
      h("span", {}, one.line),
      ...(one.over && one.alarm ? [h("em", {}, t("messages.over"))] : []),
    );
  }

  renderAll() {
    for (const one of this.all) this.render(one);
  }
}

// Buttons and switches: what they send, and what the program says they are set to.

import { h } from "/dom.js";
import { onLanguage, t } from "/i18n.js";

const $ = (id) => document.getElementById(id);

export class Controls {
  constructor(link, { stopping }) {
    this.link = link;
    this.state = null;
    for (const button of document.querySelectorAll("[data-do]")) {
      const value = button.dataset.value;
      button.addEventListener("click", () => {
        link.do(button.dataset.do, value === undefined ? null : JSON.parse(value));
      });
    }
    for (const button of document.querySelectorAll("[data-switch]")) {
      button.addEventListener("click", () => link.do(button.dataset.switch));
    }
    $("ask").addEventListener("close", () => {
      link.do("confirm", $("ask").returnValue === "yes");
      $("ask").returnValue = "";
    });
    const hide = document.querySelector("[data-toggle=hide]");
    hide.addEventListener("click", () => link.do("hide", !this.state?.hidden));
    $("quit-button").addEventListener("click", () => $("quit").showModal());
    $("quit").addEventListener("close", () => {
      if ($("quit").returnValue === "yes") {
        stopping();
        link.do("quit");
      }
      $("quit").returnValue = "";
    });
    onLanguage(() => this.state && this.showWords());
  }

  show(state) {
    this.state = state;
    const { settings } = state;
    const on = {
      ...settings,
      ...{ auto_framing: settings.framing.auto, relative: state.relative },
      ...{ freeze: state.frozen, record: state.recording !== null, badge: state.badge },
      ...{ pass_through: state.pass_through, search: state.searching, lock: state.locked },
    };
    for (const button of document.querySelectorAll("[data-switch]")) {
      button.ariaPressed = String(Boolean(on[button.dataset.switch]));
    }
    document.querySelector("[data-toggle=hide]").ariaPressed = String(state.hidden);
    this.showWords();
    this.ask(state.asking);
  }

  showWords() {
    const { state } = this;
    const current = state.avatars.find((avatar) => avatar.id === state.current);
    $("motion-of").textContent = current ? t("motion.of", { name: current.name }) : "";
    const chips = [];
    if (state.pass_through) chips.push([t("chip.real"), true]);
    if (state.hidden) chips.push([t("chip.hidden"), false]);
    if (state.frozen) chips.push([t("chip.frozen"), false]);
    if (state.recording) chips.push([t("chip.recording", { name: state.recording }), true]);
    const text = JSON.stringify(chips);
    if (text === this.chips) return;
    this.chips = text;
    $("chips").replaceChildren(
      ...chips.map(([words, alarm]) => h("li", { class: alarm ? "alarm" : null }, words)),
    );
  }

  ask(asking) {
    if (asking && !$("ask").open) $("ask").showModal();
    if (!asking && $("ask").open) $("ask").close();
  }
}

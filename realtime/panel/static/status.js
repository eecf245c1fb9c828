// The one sentence that says how it is, and what is said when the program cannot be reached.

import { h } from "/dom.js";
import { onLanguage, t } from "/i18n.js";
import { viaPage } from "/places.js";

const $ = (id) => document.getElementById(id);

export class Status {
  constructor() {
    this.status = "connecting";
    this.refusal = "";
    this.situation = null;
    this.ended = false;
    this.state = null;
    onLanguage(() => this.render());
    // What this browser was told may change the sentence, though nothing has changed in the run.
    addEventListener("via-page", () => this.situation && this.show(this.state));
    this.render();
  }

  // Asked to end: what comes next is no fault.
  stopping() {
    this.ended = true;
  }

  connected(status, refusal) {
    this.status = status;
    this.refusal = refusal;
    if (status === "open") this.ended = false;
    else this.situation = null;
    document.body.dataset.status = status;
    // What cannot be done looks so, and cannot be pressed.
    document.querySelector("main").inert = status !== "open";
    $("quit-button").disabled = $("help-button").disabled = status !== "open";
    $("enter").hidden = status !== "wrong key";
    if (status !== "open") {
      for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
    }
    this.render();
  }

  show(state) {
    this.state = state;
    this.situation = state.situation;
    // Who only records wants nobody to receive it.
    if (this.situation.code === "nothing_receives" && viaPage() === "recording") {
      const code = state.recording ? "recording_only" : "ready_to_record";
      this.situation = { code, params: {}, level: "good" };
    }
    this.render();
  }

  render() {
    const lost = this.status === "lost" || this.status === "wrong key";
    let [text, level] = [t("status.connecting"), "note"];
    if (lost) [text, level] = [t("status.not_connected"), "warn"];
    else if (this.situation) {
      const { code, params } = this.situation;
      [text, level] = [t(`status.${code}`, params), this.situation.level];
    }
    // A screen reader says it when it changes, not with every state.
    if (text !== $("status").textContent) $("status").textContent = text;
    $("status").dataset.level = level;
    document.title = this.situation ? `${text} - avatarify-like` : "avatarify-like";
    $("banner").hidden = !lost;
    if (lost) $("banner").replaceChildren(...this.reason());
  }

  reason() {
    if (this.status === "wrong key") return [h("p", {}, this.refusal || t("banner.key"))];
    return [
      h("p", {}, t(this.ended ? "banner.ended" : "banner.lost")),
      h("p", {}, `${t("banner.again")} `, h("code", {}, "avatarify-like")),
    ];
  }
}

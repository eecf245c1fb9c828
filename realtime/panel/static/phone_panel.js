// "Use a phone": a QR code that opens the phone's page, and whether the phone sends.

import { h } from "/dom.js";
import { t } from "/i18n.js";

export class PhonePanel {
  // back: called to return to the list.
  constructor(context, back) {
    this.context = context;
    this.wanted = false;
    this.shown = "";
    this.code = h("img", { class: "qr", alt: "", width: 240, height: 240, hidden: true });
    this.steps = h("ol", { class: "steps" });
    this.where = h("select", { onchange: () => this.load() });
    this.whereLabel = h("label", { class: "field" }, h("span", {}), this.where);
    this.status = h("p", { class: "phone-status", role: "status" });
    this.asks = h("p", { class: "hint" });
    this.print = h("code", { class: "print" });
    this.stop = h("button", { type: "button", onclick: () => this.end() });
    this.back = h("button", {
      ...{ type: "button", class: "quiet" },
      onclick: () => {
        this.close();
        context.link.do("cameras.look", true);
        back();
      },
    });
    this.root = h(
      "div",
      { class: "phone", hidden: true },
      h("div", { class: "phone-code" }, this.code, this.status),
      h(
        "div",
        {},
        this.steps,
        this.whereLabel,
        this.asks,
        this.print,
        h("div", { class: "bar" }, this.stop, this.back),
      ),
    );
  }

  open() {
    this.wanted = true;
    this.root.hidden = false;
    this.shown = "";
    this.steps.replaceChildren(...[1, 2, 3].map((one) => h("li", {}, t(`phone.step${one}`))));
    this.whereLabel.firstChild.textContent = t("phone.where");
    this.asks.textContent = t("phone.asks");
    this.code.alt = t("phone.code");
    this.stop.textContent = t("phone.end");
    this.back.textContent = t("phone.back");
    this.status.textContent = t("phone.opening");
    this.context.link.do("phone.start");
    // Where it listens already, no new state comes.
    if (this.state?.on) this.show({ phone: this.state });
  }

  hide() {
    this.root.hidden = true;
  }

  // Leave it: a phone that sends goes on, and one that has not come is no longer waited for.
  close() {
    if (this.wanted) this.context.link.do("phone.leave");
    this.wanted = false;
    this.hide();
  }

  end() {
    this.context.link.do("phone.stop");
    this.state = null;
    this.back.click();
  }

  show(state) {
    this.state = state.phone;
    if (!this.wanted || !state.phone) return;
    const { on, addresses, fingerprint, connected } = state.phone;
    const list = JSON.stringify(addresses);
    this.status.classList.toggle("good", connected);
    this.stop.hidden = !connected;
    for (const one of [this.code, this.steps, this.asks, this.print]) one.hidden = connected;
    this.root.classList.toggle("connected", connected);
    if (!on) return;
    this.status.textContent = t(connected ? "phone.connected" : "phone.waiting");
    // Lines end between groups of eight.
    const groups = fingerprint.match(/(?:..:?){1,8}/g) ?? [];
    this.print.replaceChildren(...groups.map((group) => h("span", {}, group)));
    if (list === this.shown) return;
    this.shown = list;
    this.where.replaceChildren(
      ...addresses.map((url, at) => h("option", { value: at }, new URL(url).hostname)),
    );
    this.whereLabel.hidden = addresses.length < 2 || connected;
    this.load();
  }

  async load() {
    const at = Number(this.where.value || 0);
    const answer = await this.context.link.fetch(`/phone/qr/${at}`);
    if (!answer.ok) return;
    URL.revokeObjectURL(this.code.src);
    this.code.src = URL.createObjectURL(await answer.blob());
    this.code.hidden = this.state?.connected ?? false;
  }
}

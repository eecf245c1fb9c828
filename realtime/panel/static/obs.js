// The output page's own address, which stays the same from run to run.

import { h } from "/dom.js";
import { t, translate } from "/i18n.js";

export class OutputAddress {
  constructor(link) {
    this.link = link;
    this.key = "";
    this.dialog = this.build();
    document.body.append(this.dialog);
    const button = document.getElementById("obs-button");
    translate(button.parentElement);
    button.addEventListener("click", () => {
      translate(this.dialog);
      link.send({ output_key: "tell" });
      this.dialog.showModal();
    });
    this.dialog.addEventListener("close", () => this.show(""));
  }

  build() {
    const send = (wish) => () => this.link.send({ output_key: wish });
    const changed = { onchange: () => this.fill() };
    const choice = (name, words) =>
      h(
        "fieldset",
        { class: "choices", ...changed },
        h("legend", { "data-t": `obs.${name}` }),
        Object.entries(words).map(([value, word], index) =>
          h(
            "label",
            {},
            h("input", { type: "radio", name: `obs-${name}`, value, checked: index === 0 }),
            h("span", { "data-t": word }),
          ),
        ),
      );
    this.address = h("input", { id: "obs-address", class: "masked", readonly: true });
    this.address.autocomplete = "off";
    this.none = h("p", { id: "obs-none", class: "hint", "data-t": "obs.none" });
    this.cut = h("p", { class: "hint", "data-t": "obs.needs_cut", hidden: true });
    this.some = h(
      "div",
      {},
      choice("background", {
        keep: "obs.keep",
        transparent: "obs.transparent",
        green: "obs.green",
      }),
      this.cut,
      choice("gone", { keep: "obs.gone_keep", clear: "obs.gone_clear" }),
      h("label", { class: "slider" }, h("span", { "data-t": "obs.address" }), this.address),
    );
    const button = (id, attributes) =>
      h("button", { id: `obs-${id}`, type: "button", "data-t": `obs.${id}`, ...attributes });
    this.make = button("make", { onclick: send("make") });
    this.revoke = button("revoke", { class: "danger", onclick: send("revoke") });
    this.revoke.dataset.tTitle = "obs.revoke_tip";
    this.copied = button("copy", { class: "primary", onclick: () => this.copy() });
    return h(
      "dialog",
      { id: "obs", "aria-labelledby": "obs-title" },
      h("h2", { id: "obs-title", "data-t": "obs.title" }),
      h("p", { "data-t": "obs.text" }),
      this.none,
      this.some,
      h(
        "form",
        { method: "dialog" },
        this.revoke,
        this.make,
        button("close", { type: "submit" }),
        this.copied,
      ),
    );
  }

  show(key) {
    this.key = key;
    this.none.hidden = key !== "";
    this.some.hidden = this.copied.hidden = this.revoke.hidden = key === "";
    this.make.dataset.t = key ? "obs.make_new" : "obs.make";
    this.make.classList.toggle("primary", !key);
    this.copied.dataset.t = "obs.copy";
    this.address.classList.add("masked");
    translate(this.dialog);
    this.fill();
  }

  // As this page is reached, through a tunnel too.
  fill() {
    const chosen = (name) => this.dialog.querySelector(`[name=obs-${name}]:checked`).value;
    const query = new URLSearchParams();
    if (chosen("background") !== "keep") query.set("background", chosen("background"));
    if (chosen("gone") !== "keep") query.set("gone", chosen("gone"));
    const asked = query.size ? `?${query}` : "";
    this.address.value = this.key && `${location.origin}/output${asked}#key=${this.key}`;
    this.cut.hidden = chosen("background") === "keep";
  }

  async copy() {
    try {
      await navigator.clipboard.writeText(this.address.value);
      this.copied.textContent = t("obs.copied");
      setTimeout(() => (this.copied.textContent = t("obs.copy")), 2000);
    } catch {
      // The browser lets pages copy nothing: by hand, then.
      this.address.classList.remove("masked");
      this.address.select();
    }
  }
}

// The output page's own address, which stays the same from run to run.

import { t } from "/i18n.js";

const $ = (id) => document.getElementById(id);

export class OutputAddress {
  constructor(link) {
    $("obs-button").addEventListener("click", () => {
      link.send({ output_key: "tell" });
      $("obs").showModal();
    });
    $("obs-make").addEventListener("click", () => link.send({ output_key: "make" }));
    $("obs-revoke").addEventListener("click", () => link.send({ output_key: "revoke" }));
    $("obs-copy").addEventListener("click", () => this.copy());
    $("obs").addEventListener("close", () => this.show(""));
  }

  show(key) {
    // As this page is reached, through a tunnel too.
    $("obs-address").value = key && `${location.origin}/output#key=${key}`;
    $("obs-address").classList.add("masked");
    $("obs-none").hidden = key !== "";
    $("obs-some").hidden = $("obs-copy").hidden = $("obs-revoke").hidden = key === "";
  }

  async copy() {
    try {
      await navigator.clipboard.writeText($("obs-address").value);
      $("obs-copy").textContent = t("obs.copied");
      setTimeout(() => ($("obs-copy").textContent = t("obs.copy")), 2000);
    } catch {
      // The browser lets pages copy nothing: by hand, then.
      $("obs-address").classList.remove("masked");
      $("obs-address").select();
    }
  }
}

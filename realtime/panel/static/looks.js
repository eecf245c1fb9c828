// How the page looks and speaks: language, and light or dark; kept in this browser.

import { LANGUAGES, language, setLanguage } from "/i18n.js";
import { h } from "/dom.js";

const STORE = "theme";
const $ = (id) => document.getElementById(id);

function wear(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  dispatchEvent(new Event("resize")); // What is drawn takes its colours anew.
}

export class Looks {
  constructor() {
    for (const [code, name] of Object.entries(LANGUAGES)) {
      $("language").append(h("option", { value: code, lang: code }, name));
    }
    $("language").value = language();
    $("language").addEventListener("change", () => setLanguage($("language").value));
    $("theme").value = localStorage.getItem(STORE) ?? "";
    wear($("theme").value);
    $("theme").addEventListener("change", () => {
      localStorage.setItem(STORE, $("theme").value);
      wear($("theme").value);
    });
  }
}

// The words of the page, from one table for each language.

const STORE = "language";
export const LANGUAGES = { en: "English", de: "Deutsch", zh: "中文" };

const tables = {};
const listeners = new Set();
let current = "en";

// What was chosen here, else what the browser prefers.
function preferred() {
  const known = [localStorage.getItem(STORE), ...(navigator.languages ?? [])]
    .filter(Boolean)
    .map((one) => one.slice(0, 2).toLowerCase());
  return known.find((one) => one in LANGUAGES) ?? "en";
}

async function load(language) {
  tables[language] ??= await (await fetch(`/strings/${language}.json`)).json();
}

// Call once before anything is shown.
export async function loadWords() {
  await load("en");
  await setLanguage(preferred(), false);
}

export async function setLanguage(language, keep = true) {
  try {
    await load(language);
  } catch {
    return; // The program is gone; the words stay as they are.
  }
  current = language;
  if (keep) localStorage.setItem(STORE, language);
  document.documentElement.lang = language;
  translate(document);
  for (const listener of listeners) listener();
}

export const language = () => current;

// Whether there are such words.
export const known = (key) => key in (tables.en ?? {});

// The words of a key, with {name} replaced by what `params` has under that name.
export function t(key, params = {}) {
  const words = tables[current]?.[key] ?? tables.en?.[key] ?? key;
  return words.replace(/\{(\w+)\}/g, (all, name) => params[name] ?? all);
}

// Called after every change of language.
export function onLanguage(listener) {
  listeners.add(listener);
}

// Fill in what elements ask for: data-t their text, data-t-label their name, data-t-title a tooltip.
export function translate(root) {
  for (const element of root.querySelectorAll("[data-t]")) {
    element.textContent = t(element.dataset.t);
  }
  for (const element of root.querySelectorAll("[data-t-label]")) {
    element.setAttribute("aria-label", t(element.dataset.tLabel));
  }
  for (const element of root.querySelectorAll("[data-t-title]")) {
    element.title = t(element.dataset.tTitle);
  }
}

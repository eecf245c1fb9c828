// Makes elements: h("button", { class: "primary", onclick: go }, "Go").

// Attributes that begin with "on" are listeners, others are set as they are; true sets a bare one,
// false and null leave it out. Children are elements or texts; null is left out.
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  for (const child of children.flat()) if (child !== null && child !== undefined) element.append(child);
  return element;
}

// A question with two answers; resolves to whether it was answered with yes.
export function ask({ title, text, yes, no, danger = false }) {
  const dialog = h(
    "dialog",
    { "aria-labelledby": "asked-title" },
    h("h2", { id: "asked-title" }, title),
    h("p", {}, text),
    h(
      "form",
      { method: "dialog" },
      h("button", { value: "no", autofocus: true }, no),
      h("button", { value: "yes", class: danger ? "danger" : "primary" }, yes),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((done) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      done(dialog.returnValue === "yes");
    });
  });
}

// A line that says what was done, with a button that undoes it.

import { h } from "/dom.js";
import { t } from "/i18n.js";

const SHOWN = 12000; // Milliseconds: long enough to read it and to find the button by keyboard.

let list = null;

function place() {
  if (!list) {
    list = h("div", { class: "undo", role: "status" });
    document.body.append(list);
  }
  return list;
}

// While it is pointed at or has the focus, it stays.
export function offerUndo(text, undo) {
  let timer = 0;
  const item = h("div", { class: "done" }, h("span", {}, text));
  const away = () => item.remove();
  const go = () => (timer = setTimeout(away, SHOWN));
  const stay = () => clearTimeout(timer);
  const button = h(
    "button",
    {
      type: "button",
      onclick: () => {
        away();
        undo();
      },
    },
    t("undo.undo"),
  );
  const close = h("button", { type: "button", class: "close", onclick: away }, "\u00d7");
  close.ariaLabel = t("undo.close");
  item.append(button, close);
  for (const kind of ["pointerenter", "focusin"]) item.addEventListener(kind, stay);
  for (const kind of ["pointerleave", "focusout"]) item.addEventListener(kind, go);
  item.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Escape") away();
  });
  place().append(item);
  while (list.children.length > 3) list.firstChild.remove();
  go();
}

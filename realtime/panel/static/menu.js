// A menu that opens at a button: arrow keys, Home, End, Escape.

import { h } from "/dom.js";

let open = null;

// items: {label, act, danger?, disabled?} or null for a line between groups.
export function openMenu(button, name, items) {
  close(false);
  const entries = items.map((item) =>
    item === null
      ? h("div", { class: "menu-line", role: "separator" })
      : h(
          "button",
          {
            type: "button",
            role: "menuitem",
            tabindex: "-1",
            class: item.danger ? "danger" : null,
            disabled: item.disabled,
            onclick: () => {
              close();
              item.act();
            },
          },
          item.label,
        ),
  );
  const menu = h("div", { class: "menu", role: "menu", "aria-label": name }, entries);
  (button.closest("section, dialog") ?? document.body).append(menu);
  button.setAttribute("aria-expanded", "true");
  open = { menu, button };
  place(menu, button);
  menu.addEventListener("keydown", (event) => step(event, menu));
  addEventListener("pointerdown", outside, true);
  addEventListener("resize", away);
  document.addEventListener("scroll", away, true);
  menu.querySelector("button:not(:disabled)").focus({ preventScroll: true });
}

function away() {
  close(false);
}

function outside(event) {
  if (open && !open.menu.contains(event.target) && !open.button.contains(event.target)) close(false);
}

function close(focus = true) {
  if (!open) return;
  const { menu, button } = open;
  open = null;
  removeEventListener("pointerdown", outside, true);
  removeEventListener("resize", away);
  document.removeEventListener("scroll", away, true);
  menu.remove();
  button.setAttribute("aria-expanded", "false");
  if (focus) button.focus({ preventScroll: true });
}

// Below the button, or above it where there is no room; never out of the window.
function place(menu, button) {
  const at = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const below = at.bottom + 4 + height <= innerHeight;
  const top = below ? at.bottom + 4 : Math.max(at.top - height - 4, 8);
  menu.style.left = `${Math.max(Math.min(at.right - width, innerWidth - width - 8), 8)}px`;
  menu.style.top = `${Math.min(top, Math.max(innerHeight - height - 8, 8))}px`;
}

function step(event, menu) {
  event.stopPropagation();
  const items = [...menu.querySelectorAll("button:not(:disabled)")];
  const at = items.indexOf(document.activeElement);
  const next = {
    ArrowDown: (at + 1) % items.length,
    ArrowUp: (at - 1 + items.length) % items.length,
    Home: 0,
    End: items.length - 1,
  }[event.key];
  if (next !== undefined) items[next].focus();
  else if (event.key === "Escape") close();
  else if (event.key === "Tab") close(false);
  else return;
  if (event.key !== "Tab") event.preventDefault();
}

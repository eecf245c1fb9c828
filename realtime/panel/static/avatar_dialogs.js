// What is asked about an avatar: its name, and which face of its photo is animated.

import { h } from "/dom.js";
import { t } from "/i18n.js";

function shown(dialog) {
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
  return dialog;
}

// Resolves to the new name, or to null.
export function askName(name) {
  const input = h("input", { type: "text", maxlength: "60", required: true, autofocus: true });
  input.value = name;
  const dialog = h(
    "dialog",
    { class: "avatar-name", "aria-labelledby": "name-title" },
    h("h2", { id: "name-title" }, t("avatars.rename_title", { name })),
    h(
      "form",
      { method: "dialog" },
      h("label", {}, t("avatars.name"), input),
      h("button", { type: "button", onclick: () => dialog.close() }, t("avatars.cancel")),
      h("button", { value: "yes", class: "primary" }, t("avatars.rename_yes")),
    ),
  );
  shown(dialog);
  input.select();
  return new Promise((done) => {
    dialog.addEventListener("close", () => {
      const wanted = input.value.trim();
      done(dialog.returnValue === "yes" && wanted && wanted !== name ? wanted : null);
    });
  });
}

// Resolves to the number of the face, from 0 on, or to null.
export async function askFace(link, avatar) {
  const answer = await link.fetch(`/avatars/${avatar.id}/picture`);
  if (!answer.ok) return null;
  const url = URL.createObjectURL(await answer.blob());
  let chosen = null;
  const boxes = avatar.faces.map(([left, top, width, height], number) => {
    const box = h(
      "button",
      {
        type: "button",
        class: "face-box",
        "aria-pressed": String(number === avatar.face),
        "aria-label": t("avatars.face_number", { number: number + 1 }),
        onclick: () => {
          chosen = number;
          dialog.close();
        },
      },
      h("span", {}, String(number + 1)),
    );
    Object.assign(box.style, {
      left: `${100 * left}%`,
      top: `${100 * top}%`,
      width: `${100 * width}%`,
      height: `${100 * height}%`,
    });
    return box;
  });
  const dialog = h(
    "dialog",
    { class: "avatar-faces", "aria-labelledby": "faces-title" },
    h("h2", { id: "faces-title" }, t("avatars.faces_title", { name: avatar.name })),
    h("p", { class: "hint" }, t("avatars.faces_hint")),
    h("div", { class: "faces" }, h("img", { src: url, alt: avatar.name }), boxes),
    h("form", { method: "dialog" }, h("button", {}, t("avatars.cancel"))),
  );
  shown(dialog);
  boxes[avatar.face]?.focus();
  return new Promise((done) => {
    dialog.addEventListener("close", () => {
      URL.revokeObjectURL(url);
      done(chosen);
    });
  });
}

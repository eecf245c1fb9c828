// One avatar in the list: its picture, its name, how far it is, and the button of its menu.

import { h } from "/dom.js";
import { t } from "/i18n.js";

export class Tile {
  // acts: choose(), menu(button), points(), putAway(), drag(item).
  constructor(acts) {
    this.acts = acts;
    this.picture = null;
    this.image = h("img", { class: "face", alt: "", draggable: "false" });
    this.number = h("span", { class: "number", "aria-hidden": "true" });
    this.mark = h("span", { class: "mark" });
    this.progress = h("span", { class: "progress" });
    this.frame = h("span", { class: "frame" }, this.image, this.number, this.mark, this.progress);
    this.label = h("span", { class: "name" });
    this.button = h(
      "button",
      { type: "button", class: "tile", onclick: () => acts.choose() },
      this.frame,
      this.label,
    );
    this.more = h(
      "button",
      {
        type: "button",
        class: "tile-more",
        "aria-haspopup": "menu",
        "aria-expanded": "false",
        onclick: () => acts.menu(this.more),
      },
      "\u22ef",
    );
    this.item = h("li", { class: "avatar" }, this.button, this.more);
    this.item.addEventListener("contextmenu", (event) => {
      if (!this.refusal) {
        event.preventDefault();
        acts.menu(this.more);
      }
    });
  }

  // A picture of this computer until the program has made one.
  local(url) {
    this.image.src = url;
    this.url = url;
  }

  // what: {name, number, current, phase: "" | "sending" | "waiting" | "preparing", reason, noFace}.
  show(what) {
    const key = JSON.stringify([what, document.documentElement.lang]);
    if (key === this.shown) return;
    this.shown = key;
    const { name, number, current, phase, reason } = what;
    this.label.textContent = name;
    this.number.textContent = number || "";
    this.number.hidden = !number || Boolean(reason);
    this.mark.textContent = current ? t("avatars.live") : "";
    this.mark.hidden = !current;
    this.progress.textContent = phase ? t(`avatars.phase_${phase}`) : "";
    this.progress.hidden = !phase;
    this.button.classList.toggle("busy", Boolean(phase));
    this.button.ariaPressed = String(Boolean(current));
    this.button.title = name;
    this.button.ariaLabel = [name, phase && t(`avatars.phase_${phase}`), current && t("avatars.live")]
      .filter(Boolean)
      .join(", ");
    this.more.ariaLabel = t("avatars.menu", { name });
    this.more.title = t("avatars.menu", { name });
    this.item.draggable = !phase && !reason;
    this.refuse(reason, what);
  }

  // A refused photo says why, and what can be done about it.
  refuse(reason, { name, noFace, again, phase }) {
    this.item.classList.toggle("refused", Boolean(reason));
    this.button.hidden = Boolean(reason);
    this.more.hidden = Boolean(reason) || phase === "sending";
    this.refusal?.remove();
    this.refusal = null;
    if (!reason) {
      if (!this.frame.contains(this.image)) this.frame.prepend(this.image);
      return;
    }
    const act = (label, call, kind = null) =>
      h("button", { type: "button", class: kind, onclick: call }, label);
    this.refusal = h(
      "div",
      { class: "tile", title: name, role: "group", "aria-label": name },
      this.image,
      h(
        "div",
        { class: "why" },
        h("strong", { class: "name" }, name),
        h("span", { class: "reason" }, reason),
        h(
          "span",
          { class: "acts" },
          noFace ? act(t("avatars.points"), () => this.acts.points(), "primary") : null,
          again ? act(t("avatars.again"), again, "primary") : null,
          act(t("avatars.put_away"), () => this.acts.putAway()),
        ),
      ),
    );
    this.item.append(this.refusal);
  }

  async load(link, avatar) {
    if (avatar.picture === this.picture) return;
    this.picture = avatar.picture;
    if (!avatar.picture) return;
    const answer = await link.fetch(`/thumbnails/${avatar.id}`);
    if (!answer.ok) return;
    const url = URL.createObjectURL(await answer.blob());
    this.forget();
    this.local(url);
  }

  forget() {
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = null;
  }
}

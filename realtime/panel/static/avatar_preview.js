// A card that shows a photo that has just become an avatar, before it goes live.

import { h } from "/dom.js";
import { t } from "/i18n.js";

const STEP = 90; // Milliseconds between two frames at the fastest: the live picture comes first.

export class Preview {
  // acts: live(id), remove(id), faces(id).
  constructor(root, link, acts) {
    this.link = link;
    this.acts = acts;
    this.queue = [];
    this.count = 0;
    this.url = null;
    this.picture = h("img", { alt: "" });
    this.title = h("h3", {});
    this.note = h("p", { class: "hint" });
    this.faces = this.button("", "", () => this.acts.faces(this.id));
    this.live = this.button("live", "primary", () => this.done((id) => this.acts.live(id)));
    this.later = this.button("later", "", () => this.done(() => {}));
    this.remove = this.button("remove", "danger", () => this.done((id) => this.acts.remove(id)));
    this.card = h(
      "div",
      { class: "avatar-preview", role: "group", hidden: true },
      h("div", { class: "shown" }, this.picture),
      h(
        "div",
        { class: "about" },
        this.title,
        this.note,
        this.faces,
        h("div", { class: "acts" }, this.live, this.later, this.remove),
      ),
    );
    this.card.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.done(() => {});
    });
    root.querySelector("#list").before(this.card);
    this.words();
  }

  get id() {
    return this.queue[0];
  }

  button(what, kind, act) {
    return h("button", { type: "button", class: kind || null, "data-act": what, onclick: act });
  }

  // Show an avatar as soon as those before it are answered; `first`: now.
  offer(id, first = false) {
    if (this.queue.includes(id)) return;
    if (first) this.queue.unshift(id);
    else this.queue.push(id);
    this.count += 1;
    if (first || this.queue.length === 1) this.run();
    this.words();
  }

  show(state) {
    this.state = state;
    const known = new Map(state.avatars.map((avatar) => [avatar.id, avatar]));
    const before = this.id;
    this.queue = this.queue.filter((id) => known.has(id) && known.get(id).state !== "refused");
    if (before !== this.id) this.run();
    const now = known.get(this.id);
    // Turned, or another face: the frames are of another picture now.
    if (now && before === this.id && this.made && now.state !== "ready") this.run();
    this.words();
  }

  words() {
    const avatar = this.state?.avatars.find((one) => one.id === this.id);
    const count = avatar?.faces.length ?? 0;
    this.faces.hidden = count < 2;
    this.faces.textContent = t("avatars.preview_faces", { count });
    this.live.textContent = t("avatars.go_live");
    this.later.textContent = t("avatars.later");
    this.remove.textContent = t("avatars.remove");
    const hidden = this.card.hidden;
    this.card.hidden = !avatar;
    if (!avatar) {
      this.count = 0;
      return;
    }
    const { name } = avatar;
    this.title.textContent = t("avatars.preview_title", { name });
    const more = this.queue.length - 1;
    this.note.textContent = more ? t("avatars.preview_more", { count: more }) : t("avatars.preview_note");
    this.card.ariaLabel = t("avatars.preview_title", { name });
    this.picture.alt = name;
    if (hidden) this.card.scrollIntoView({ block: "nearest" });
  }

  done(act) {
    const id = this.queue.shift();
    this.run();
    this.words();
    act(id);
  }

  // One frame after the other, until another avatar is shown.
  async run() {
    const id = this.id;
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const current = () => this.turn === turn && this.id === id;
    this.made = false;
    this.card.classList.add("waits");
    if (!id) return;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    for (let frame = 0; current(); frame += 1) {
      const begun = performance.now();
      const moves = !still && this.made;
      const answer = await this.fetch(moves ? `preview?frame=${frame}` : "still");
      if (!current()) return;
      if (answer?.ok && answer.status === 200) {
        this.put(await answer.blob());
        if (still) return;
        this.made = true;
      } else if (moves) {
        return; // It does not move; the still stays.
      }
      const rest = STEP - (performance.now() - begun);
      await new Promise((go) => setTimeout(go, this.made ? Math.max(rest, 10) : 300));
    }
  }

  async fetch(what) {
    try {
      return await this.link.fetch(`/avatars/${this.id}/${what}`);
    } catch {
      return null; // The program is gone; the page says so.
    }
  }

  put(blob) {
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = URL.createObjectURL(blob);
    this.picture.src = this.url;
    this.card.classList.remove("waits");
  }
}

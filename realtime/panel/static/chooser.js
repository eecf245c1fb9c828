// The chooser of cameras: what was found, each with what it sees, and what needs no webcam.

import { h } from "/dom.js";
import { onLanguage, t } from "/i18n.js";
import { icon } from "/icons.js";
import { PhonePanel } from "/phone_panel.js";

const EVERY = 1000; // Milliseconds from one look at a camera to the next.
const SOON = 250; // The same while only one is looked at.
const AGAIN = 5000; // Milliseconds after which the list is asked for anew: cameras are plugged in.

export class CameraChooser {
  constructor(context) {
    this.context = context;
    this.state = null;
    this.tiles = new Map();
    this.near = null; // The camera that is pointed at: it alone is looked at.
    this.phone = new PhonePanel(context, () => this.showList());
    this.build();
    onLanguage(() => this.dialog.open && this.fill());
  }

  build() {
    this.found = h("ul", { class: "choices", "aria-labelledby": "chooser-title" });
    this.others = h("ul", { class: "choices small" });
    this.address = h("input", {
      ...{ type: "text", inputmode: "url", autocomplete: "off", spellcheck: "false" },
      placeholder: "rtsp://192.168.1.30/stream",
    });
    this.addressLabel = h("label", { class: "field" }, h("span", {}), this.address);
    this.use = h("button", {});
    this.addressForm = h("form", { class: "address" }, this.addressLabel, this.use);
    this.addressForm.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.address.value.trim()) this.choose(this.address.value.trim());
    });
    this.hint = h("p", { class: "hint" });
    this.shut = h("button", { type: "button", onclick: () => this.dialog.close() });
    this.list = h("div", {}, this.found, this.others, this.addressForm, this.hint);
    this.title = h("h2", { id: "chooser-title" });
    this.dialog = h(
      "dialog",
      { class: "wide", "aria-labelledby": "chooser-title" },
      this.title,
      this.list,
      this.phone.root,
      h("div", { class: "bar end" }, this.shut),
    );
    this.dialog.addEventListener("close", () => this.closed());
    document.body.append(this.dialog);
  }

  open() {
    this.fill();
    this.dialog.showModal();
    this.context.link.do("cameras.look", true);
    this.showList();
    if (this.state?.phone?.on) this.showPhone();
    this.watch();
  }

  closed() {
    this.context.link.do("cameras.look", false);
    this.phone.close();
    this.address.value = "";
    for (const tile of this.tiles.values()) URL.revokeObjectURL(tile.image.src);
    this.tiles.clear();
  }

  showList() {
    this.list.hidden = false;
    this.phone.hide();
    this.title.textContent = t("chooser.title");
  }

  showPhone() {
    this.list.hidden = true;
    this.title.textContent = t("chooser.phone");
    this.context.link.do("cameras.look", false);
    this.phone.open();
  }

  fill() {
    this.title.textContent = t("chooser.title");
    this.addressLabel.firstChild.textContent = t("chooser.address");
    this.use.textContent = t("chooser.use");
    this.hint.textContent = t("chooser.private");
    this.shut.textContent = t("chooser.close");
    this.demo ??= this.tile("demo", () => this.choose("demo"));
    const plain = (name, press) => {
      const tile = this.tile(name, press);
      tile.icon.append(icon(name));
      return tile;
    };
    this.fixed = {
      browser: plain("browser", () => this.chooseBrowser()),
      phone: plain("phone", () => this.showPhone()),
      demo: this.demo,
      none: plain("none", () => this.choose("none")),
    };
    for (const [name, tile] of Object.entries(this.fixed)) {
      tile.what.textContent = t(`chooser.${name}`);
      tile.note.textContent = t(`chooser.${name}_note`);
    }
    this.others.setAttribute("aria-label", t("chooser.others"));
    this.others.replaceChildren(...Object.values(this.fixed).map((tile) => tile.item));
    if (this.cameras) this.showFound(this.cameras);
    if (this.state) this.show(this.state);
  }

  tile(id, press) {
    const image = h("img", { alt: "", hidden: true });
    const place = h("span", { class: "choice-icon" });
    const mirror = h("canvas", { hidden: true, "aria-hidden": "true" });
    const what = h("span", { class: "choice-name" });
    const note = h("span", { class: "choice-note" });
    const button = h(
      "button",
      { type: "button", class: "choice", onclick: press },
      h("span", { class: "choice-picture" }, place, image, mirror),
      h("span", { class: "choice-words" }, what, note),
    );
    for (const kind of ["pointerenter", "focus"]) {
      button.addEventListener(kind, () => (this.near = id));
    }
    for (const kind of ["pointerleave", "blur"]) {
      button.addEventListener(kind, () => this.near === id && (this.near = null));
    }
    return { item: h("li", {}, button), button, image, icon: place, mirror, what, note, id };
  }

  // Ask for the list now and then, and look at one camera after the other, while it is open.
  async watch() {
    let listed = -Infinity;
    let at = 0;
    await this.load("demo", this.demo);
    while (this.dialog.open) {
      if (this.list.hidden) {
        await rest(EVERY);
        continue;
      }
      if (performance.now() - listed > AGAIN) {
        listed = performance.now();
        await this.ask();
      }
      const free = (this.cameras ?? []).filter((one) => !one.note);
      const near = free.find((one) => one.id === this.near);
      const one = near ?? free[at % Math.max(free.length, 1)];
      at += 1;
      if (one && this.tiles.has(one.id)) await this.load(one.id, this.tiles.get(one.id));
      this.mirrorLive();
      await rest(near || free.length === 1 ? SOON : EVERY);
    }
  }

  async ask() {
    try {
      const answer = await this.context.link.fetch("/cameras");
      if (answer.ok) this.showFound(await answer.json());
    } catch {
      // The program is gone; the page says so.
    }
  }

  showFound(cameras) {
    this.cameras = cameras;
    const items = cameras.map((one) => {
      if (!this.tiles.has(one.id)) {
        const made = this.tile(one.id, () => this.choose(made.camera.choice));
        made.icon.append(icon("camera"));
        this.tiles.set(one.id, made);
      }
      const tile = this.tiles.get(one.id);
      tile.what.textContent = one.name;
      tile.button.title = one.place;
      tile.note.textContent = one.note
        ? t(`chooser.why.${one.note}`)
        : (tile.trouble ?? t(`chooser.kind.${one.kind}`));
      tile.button.disabled = one.note === "denied";
      tile.camera = one;
      return tile.item;
    });
    const focused = document.activeElement;
    const none = h("li", { class: "hint" }, t("chooser.nothing"));
    const kept = [...this.found.children];
    const wanted = items.length ? items : [none];
    if (kept.length !== wanted.length || wanted.some((item, index) => item !== kept[index])) {
      this.found.replaceChildren(...wanted);
      if (this.found.contains(focused)) focused.focus({ preventScroll: true });
    }
    if (this.state) this.show(this.state);
  }

  async load(id, tile) {
    let answer = null;
    try {
      answer = await this.context.link.fetch(`/cameras/${id}/thumbnail`);
    } catch {
      return;
    }
    if (!this.dialog.open) return;
    tile.trouble = null;
    if (answer.ok) {
      URL.revokeObjectURL(tile.image.src);
      tile.image.src = URL.createObjectURL(await answer.blob());
      tile.image.hidden = false;
    } else if (tile.camera) {
      tile.image.hidden = true;
      tile.trouble = t(`chooser.why.${(await answer.json()).code}`);
    }
    if (tile.camera && !tile.camera.note) {
      tile.note.textContent = tile.trouble ?? t(`chooser.kind.${tile.camera.kind}`);
    }
  }

  // The camera of the run is shown from the preview: it is never opened a second time.
  mirrorLive() {
    const live = document.getElementById("camera");
    for (const tile of this.tiles.values()) {
      const on = tile.camera?.note === "in_use" && live.width > 1;
      tile.mirror.hidden = !on;
      if (!on) continue;
      tile.image.hidden = true;
      tile.mirror.width = live.width;
      tile.mirror.height = live.height;
      tile.mirror.getContext("2d").drawImage(live, 0, 0);
    }
  }

  show(state) {
    this.state = state;
    this.phone.show(state);
    if (!this.dialog.open || !state.setup) return;
    const { choice } = state.setup.camera;
    const phone = state.camera_page === "phone";
    for (const [name, tile] of Object.entries(this.fixed)) {
      const on = name === "phone" ? choice === "browser" && phone : choice === name;
      mark(tile, on && !(name === "browser" && phone));
    }
    for (const tile of this.tiles.values()) mark(tile, tile.camera?.note === "in_use");
  }

  choose(choice) {
    // Whatever is looked at is let go before the run opens it.
    this.context.link.do("cameras.look", false);
    this.context.link.do("camera", choice);
    this.dialog.close();
  }

  async chooseBrowser() {
    if (await this.context.webcam.start()) this.dialog.close();
  }
}

function mark(tile, on) {
  tile.button.setAttribute("aria-pressed", String(on));
}

const rest = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

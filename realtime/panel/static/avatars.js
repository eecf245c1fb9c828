// The avatars: a list to choose from, photos to add by dropping them anywhere, and what can be done
// with each.

import { askFace, askName } from "/avatar_dialogs.js";
import { Preview } from "/avatar_preview.js";
import { Tile } from "/avatar_tile.js";
import { h } from "/dom.js";
import { onLanguage, t } from "/i18n.js";
import { openMenu } from "/menu.js";
import { PointsEditor } from "/points.js";

const DRAGGED = "application/x-avatar";
const ACCEPTED = "image/*,.heic,.heif,.avif,.avatar";

// Milliseconds after which a photo that no state has ever had was removed meanwhile.
const ARRIVAL = 5000;

const stem = (name) => name.replace(/\.[^.]*$/, "") || name;

// Where points can be placed, the page says that, and not what the terminal says.
const reasonOf = ({ name, reason, no_face }) => (no_face ? t("avatars.no_face", { name }) : reason);

export class Avatars {
  constructor(root, context) {
    this.link = context.link;
    this.context = context;
    this.limit = 0;
    this.tiles = new Map();
    this.pending = []; // Photos that are on their way: {file, tile, phase, reason}.
    this.mine = new Map(); // Photos that were added here, by id: {file, live}.
    this.arriving = new Map(); // Taken, but in no state yet, by id: until when they are shown.
    this.leaving = new Map(); // Removed here, by id: name.
    this.state = null;
    this.sending = null;
    this.build(root);
    this.preview = new Preview(root, this.link, {
      live: (id) => this.link.do("avatar", id),
      remove: (id) => this.remove(id),
      faces: (id) => this.chooseFace(id),
    });
    this.points = new PointsEditor(context, (id) => this.placed(id));
    this.watchDrops(root);
    onLanguage(() => this.state && this.show(this.state));
  }

  build(root) {
    this.file = h("input", { id: "file", type: "file", accept: ACCEPTED, multiple: true, hidden: true });
    this.file.addEventListener("change", () => {
      this.add([...this.file.files]);
      this.file.value = "";
    });
    this.list = h("ul", { id: "list" });
    const step = (name, key) =>
      h("button", { type: "button", "data-do": name, "data-key": key }, h("span", { "data-t": `avatars.${name}` }));
    this.adder = h(
      "li",
      { class: "adder" },
      h(
        "button",
        { id: "add-button", type: "button", "data-t-title": "avatars.add_hint", onclick: () => this.file.click() },
        h("span", { class: "plus", "aria-hidden": "true" }, "+"),
        h("span", { "data-t": "avatars.add" }),
      ),
    );
    root.replaceChildren(
      h(
        "div",
        { class: "avatars-head" },
        h("h2", { id: "avatars-title", "data-t": "avatars.title" }),
        h("p", { class: "hint", "data-t": "avatars.drop_hint" }),
      ),
      this.list,
      this.file,
      h(
        "div",
        { class: "bar" },
        step("previous", "a"),
        step("next", "d"),
        step("random", "q"),
        step("reload", "l"),
      ),
    );
    this.list.append(this.adder);
    for (const element of root.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
    for (const element of root.querySelectorAll("[data-t-title]")) element.title = t(element.dataset.tTitle);
  }

  show(state) {
    this.state = state;
    const wanted = new Set(state.avatars.map((avatar) => avatar.id));
    // The answer to a photo may come before the state that has it: its tile stays meanwhile.
    for (const [id, until] of this.arriving) {
      if (wanted.has(id) || Date.now() > until) this.arriving.delete(id);
    }
    for (const [id, tile] of this.tiles) {
      if (!wanted.has(id) && !this.arriving.has(id)) {
        tile.forget();
        this.tiles.delete(id);
      }
    }
    this.tellRemoved(wanted);
    this.watchMine(state);
    this.preview.show(state);
    // While a photo is on its way, its tile is there already: it must not be there twice.
    const onTheWay = this.pending.some((photo) => photo.phase === "sent");
    const items = state.avatars
      .filter((avatar) => !onTheWay || this.tiles.has(avatar.id))
      .map((avatar) => this.tileOf(avatar, state.avatars.indexOf(avatar), state));
    for (const id of this.arriving.keys()) items.push(this.tiles.get(id).item);
    for (const photo of this.pending) {
      this.showPending(photo);
      items.push(photo.tile.item);
    }
    items.push(this.adder);
    // Only a list that has changed is built anew: scroll position and focus stay.
    const shown = [...this.list.children];
    if (items.length === shown.length && items.every((item, at) => item === shown[at])) return;
    const focused = document.activeElement;
    const top = this.list.scrollTop;
    this.list.replaceChildren(...items);
    this.list.scrollTop = top;
    if (focused && this.list.contains(focused)) focused.focus({ preventScroll: true });
  }

  tileOf(avatar, index, state) {
    let tile = this.tiles.get(avatar.id);
    if (!tile) {
      tile = this.makeTile(avatar.id);
      this.tiles.set(avatar.id, tile);
    }
    const waits = avatar.state === "waiting" && (this.mine.has(avatar.id) || avatar.id === state.wanted);
    tile.show({
      name: avatar.name,
      number: index < 9 ? index + 1 : 0,
      current: avatar.id === state.current,
      phase: avatar.state === "preparing" ? "preparing" : waits ? "waiting" : "",
      reason: avatar.state === "refused" ? reasonOf(avatar) : "",
      noFace: avatar.no_face,
    });
    tile.load(this.link, avatar);
    return tile.item;
  }

  makeTile(id) {
    const tile = new Tile({
      choose: () => this.link.do("avatar", id),
      menu: (button) => this.menu(id, button),
      points: () => this.points.openAvatar(id),
      putAway: () => this.link.do("remove", id),
    });
    tile.button.addEventListener("keydown", (event) => this.key(event, id));
    this.watchDrag(tile, id);
    return tile;
  }

  find(id) {
    return this.state?.avatars.find((avatar) => avatar.id === id);
  }

  menu(id, button) {
    const avatar = this.find(id);
    if (!avatar) return;
    const at = this.state.avatars.indexOf(avatar);
    const last = this.state.avatars.length - 1;
    const ready = avatar.state === "ready";
    const move = (to) => () => this.move(id, to);
    openMenu(button, t("avatars.menu", { name: avatar.name }), [
      { label: t("avatars.go_live"), act: () => this.link.do("avatar", id), disabled: id === this.state.current },
      { label: t("avatars.preview"), act: () => this.preview.offer(id, true), disabled: !ready },
      null,
      { label: t("avatars.rename"), act: () => this.rename(id) },
      { label: t("avatars.points"), act: () => this.points.openAvatar(id) },
      avatar.faces.length > 1
        ? { label: t("avatars.face_choose", { count: avatar.faces.length }), act: () => this.chooseFace(id) }
        : { label: t("avatars.face_one"), act: () => {}, disabled: true },
      { label: t("avatars.rotate"), act: () => this.link.do("avatar.rotate", id) },
      null,
      { label: t("avatars.earlier"), act: move(at - 1), disabled: at === 0 },
      { label: t("avatars.later_place"), act: move(at + 1), disabled: at === last },
      { label: t("avatars.to_front"), act: move(0), disabled: at === 0 },
      null,
      { label: t("avatars.export"), act: () => this.save(id) },
      { label: t("avatars.remove"), act: () => this.remove(id), danger: true, disabled: last === 0 },
    ]);
  }

  key(event, id) {
    const at = this.state.avatars.findIndex((avatar) => avatar.id === id);
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "F2") this.rename(id);
    else if (event.key === "Delete") this.remove(id);
    else if (by && event.ctrlKey) this.move(id, at + by);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  move(id, to) {
    if (to < 0 || to >= this.state.avatars.length) return;
    this.link.do("avatar.move", [id, to]);
    this.context.tell(t("avatars.moved", { name: this.find(id).name, place: to + 1 }));
  }

  async rename(id) {
    const name = await askName(this.find(id).name);
    if (name) this.link.do("avatar.rename", [id, name]);
  }

  async chooseFace(id) {
    const number = await askFace(this.link, this.find(id));
    if (number !== null) this.link.do("avatar.face", [id, number]);
  }

  async save(id) {
    const { name } = this.find(id);
    const answer = await this.link.fetch(`/avatars/${id}/file`);
    if (!answer.ok) {
      this.context.tell((await answer.json()).refused);
      return;
    }
    const url = URL.createObjectURL(await answer.blob());
    h("a", { href: url, download: `${name}.avatar` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  }

  remove(id) {
    this.leaving.set(id, this.find(id)?.name ?? "");
    this.link.do("remove", id);
  }

  // Only what has really gone can come back.
  tellRemoved(there) {
    for (const [id, name] of this.leaving) {
      if (there.has(id)) continue;
      this.leaving.delete(id);
      const action = { label: t("avatars.undo"), act: () => this.link.do("avatar.restore", id) };
      this.context.tell(t("avatars.removed", { name }), { action });
    }
  }

  // Every photo at once gets a tile; they are sent one after the other.
  add(files) {
    for (const file of files) {
      const photo = { file, phase: "sending", reason: "" };
      photo.tile = new Tile({ choose() {}, menu() {}, points() {}, putAway: () => this.putAway(photo) });
      photo.tile.local(URL.createObjectURL(file));
      photo.tile.image.addEventListener("error", () => photo.tile.image.removeAttribute("src"), { once: true });
      this.pending.push(photo);
    }
    if (this.state) this.show(this.state);
    this.pending.at(-1)?.tile.item.scrollIntoView({ block: "nearest" });
    this.sending ??= this.sendAll().finally(() => (this.sending = null));
  }

  async sendAll() {
    for (;;) {
      const photo = this.pending.find((one) => one.phase === "sending");
      if (!photo) return;
      await this.send(photo);
      if (this.state) this.show(this.state);
    }
  }

  async send(photo) {
    const { file } = photo;
    photo.phase = "";
    if (this.limit && file.size > this.limit) {
      photo.reason = t("avatars.too_large", { size: Math.round(this.limit / 1e6) });
      return;
    }
    try {
      photo.phase = "sent";
      const answer = await this.link.fetch("/avatars", {
        method: "POST",
        headers: { "X-Name": encodeURIComponent(file.name) },
        body: file,
      });
      const told = await answer.json();
      if (answer.status === 201) {
        this.arrived(photo, told);
        return;
      }
      photo.reason = told.refused;
    } catch {
      photo.reason = t("avatars.not_sent");
      photo.again = () => {
        Object.assign(photo, { reason: "", again: null, phase: "sending" });
        this.show(this.state);
        this.sending ??= this.sendAll().finally(() => (this.sending = null));
      };
    }
    photo.phase = "";
    this.context.tell(`${file.name}: ${photo.reason}`);
  }

  // The program has it: its tile goes on with the picture that is shown already.
  arrived(photo, { id, live }) {
    this.mine.set(id, { live });
    const tile = this.tiles.get(id) ?? this.makeTile(id);
    if (!tile.picture) tile.local(photo.tile.url);
    else photo.tile.forget();
    this.tiles.set(id, tile);
    tile.show({ name: stem(photo.file.name), phase: "preparing", reason: "" });
    this.arriving.set(id, Date.now() + ARRIVAL);
    this.pending = this.pending.filter((one) => one !== photo);
  }

  showPending({ file, tile, phase, reason, again }) {
    tile.show({ name: stem(file.name), phase: phase ? "sending" : "", reason, again });
  }

  putAway(photo) {
    photo.tile.forget();
    this.pending = this.pending.filter((one) => one !== photo);
    this.show(this.state);
  }

  // What was added here is shown before it goes live, or is told why it cannot be used.
  watchMine(state) {
    for (const [id, { live }] of this.mine) {
      const avatar = state.avatars.find((one) => one.id === id);
      if (!avatar || (avatar.state !== "ready" && avatar.state !== "refused")) continue;
      this.mine.delete(id);
      if (avatar.state === "refused") this.context.tell(reasonOf(avatar));
      else if (!live) this.preview.offer(id);
    }
  }

  // Points were placed, and looked at meanwhile: the avatar goes live.
  placed(id) {
    this.link.do("avatar", id);
  }

  watchDrag(tile, id) {
    const { item } = tile;
    const holds = (event) => event.dataTransfer?.types.includes(DRAGGED);
    item.addEventListener("dragstart", (event) => {
      event.dataTransfer.setData(DRAGGED, id);
      event.dataTransfer.effectAllowed = "move";
      this.dragged = id;
      item.classList.add("dragged");
    });
    item.addEventListener("dragend", () => {
      item.classList.remove("dragged");
      this.markDrop(null);
    });
    item.addEventListener("dragover", (event) => {
      if (!holds(event)) return;
      event.preventDefault();
      const { left, width } = item.getBoundingClientRect();
      this.markDrop(item, event.clientX > left + width / 2);
    });
    item.addEventListener("drop", (event) => {
      if (!holds(event)) return;
      event.preventDefault();
      const ids = this.state.avatars.map((avatar) => avatar.id).filter((one) => one !== this.dragged);
      const after = item.classList.contains("drop-after");
      this.markDrop(null);
      if (this.dragged !== id) this.move(this.dragged, ids.indexOf(id) + (after ? 1 : 0));
    });
  }

  markDrop(item, after = false) {
    for (const one of this.list.children) one.classList.remove("drop-before", "drop-after");
    item?.classList.add(after ? "drop-after" : "drop-before");
  }

  watchDrops(root) {
    const cover = document.getElementById("drop");
    const holdsFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    // The other tabs take files of their own.
    const here = () => root.closest("[role=tabpanel]")?.hidden !== true && !document.querySelector("dialog[open]");
    let depth = 0;
    addEventListener("dragenter", (event) => {
      if (!holdsFiles(event) || !here()) return;
      depth += 1;
      cover.hidden = false;
    });
    addEventListener("dragleave", () => {
      depth = Math.max(depth - 1, 0);
      cover.hidden = depth === 0;
    });
    addEventListener("dragover", (event) => event.preventDefault());
    addEventListener("drop", (event) => {
      if (holdsFiles(event)) event.preventDefault();
      depth = 0;
      cover.hidden = true;
      if (here()) this.add([...(event.dataTransfer?.files ?? [])]);
    });
  }
}

// The avatars: thumbnails to choose from, photos to add by dropping them anywhere.

import { onLanguage, t } from "/i18n.js";

const $ = (id) => document.getElementById(id);

export class Avatars {
  constructor(link, tell) {
    this.link = link;
    this.tell = tell;
    this.limit = 0;
    this.tiles = new Map();
    this.refused = [];
    this.state = null;
    $("add-button").addEventListener("click", () => $("file").click());
    $("file").addEventListener("change", () => {
      this.add([...$("file").files]);
      $("file").value = "";
    });
    this.watchDrops();
    onLanguage(() => this.state && this.show(this.state));
  }

  show(state) {
    this.state = state;
    const wanted = new Set(state.avatars.map((avatar) => avatar.id));
    for (const [id, tile] of this.tiles) {
      if (!wanted.has(id)) {
        URL.revokeObjectURL(tile.image.src);
        this.tiles.delete(id);
      }
    }
    const items = state.avatars.map((avatar, index) => this.tileOf(avatar, index, state));
    items.push(...this.refused);
    // Only a list that has changed is built anew: scroll position and focus stay.
    const shown = [...$("list").children];
    if (items.length === shown.length && items.every((item, at) => item === shown[at])) return;
    const focused = document.activeElement;
    const top = $("list").scrollTop;
    $("list").replaceChildren(...items);
    $("list").scrollTop = top;
    if (focused && $("list").contains(focused)) focused.focus({ preventScroll: true });
  }

  tileOf(avatar, index, state) {
    let tile = this.tiles.get(avatar.id);
    if (!tile) {
      tile = makeTile(avatar.name);
      tile.button.addEventListener("click", () => this.link.do("avatar", avatar.id));
      tile.remove.addEventListener("click", () => this.link.do("remove", avatar.id));
      this.tiles.set(avatar.id, tile);
    }
    const current = avatar.id === state.current;
    tile.button.ariaPressed = String(current);
    tile.button.classList.toggle(
      "busy",
      avatar.state === "preparing" || avatar.id === state.wanted,
    );
    tile.remove.ariaLabel = t("avatars.remove", { name: avatar.name });
    tile.remove.title = avatar.own ? t("avatars.delete") : t("avatars.take_off");
    tile.number.textContent = index < 9 ? index + 1 : "";
    tile.number.hidden = index >= 9;
    tile.reason.hidden = avatar.state !== "refused";
    tile.reason.textContent = avatar.reason;
    tile.item.classList.toggle("refused", avatar.state === "refused");
    tile.button.ariaLabel = avatar.reason
      ? `${avatar.name}: ${avatar.reason}`
      : current
        ? t("avatars.on_show", { name: avatar.name })
        : avatar.name;
    if (avatar.picture !== tile.picture) {
      tile.picture = avatar.picture;
      this.loadPicture(tile, avatar.id);
    }
    return tile.item;
  }

  async loadPicture(tile, id) {
    const answer = await this.link.fetch(`/thumbnails/${id}`);
    if (!answer.ok) return;
    URL.revokeObjectURL(tile.image.src);
    tile.image.src = URL.createObjectURL(await answer.blob());
  }

  async add(files) {
    for (const file of files) await this.addOne(file);
  }

  async addOne(file) {
    let reason = null;
    let id = null;
    if (this.limit && file.size > this.limit) {
      reason = t("avatars.too_large", { most: this.limit / 1e6 });
    } else {
      try {
        const answer = await this.link.fetch("/avatars", {
          method: "POST",
          headers: { "X-Name": encodeURIComponent(file.name) },
          body: file,
        });
        const told = await answer.json();
        if (answer.status === 201) id = told.id;
        else reason = told.refused;
      } catch {
        reason = t("avatars.not_sent");
      }
    }
    if (id !== null) this.link.do("avatar", id);
    else this.refuse(file, reason);
  }

  // A refused photo stays in the list, with the reason on it, until it is put away.
  refuse(file, reason) {
    const tile = makeTile(file.name);
    tile.image.src = URL.createObjectURL(file);
    tile.image.addEventListener("error", () => tile.image.removeAttribute("src"));
    tile.reason.textContent = reason;
    tile.reason.hidden = false;
    tile.number.hidden = true;
    tile.button.ariaLabel = `${file.name}: ${reason}`;
    tile.item.classList.add("refused");
    tile.remove.classList.add("always");
    tile.remove.ariaLabel = t("avatars.put_away", { name: file.name });
    const away = () => {
      URL.revokeObjectURL(tile.image.src);
      this.refused = this.refused.filter((item) => item !== tile.item);
      tile.item.remove();
    };
    tile.remove.addEventListener("click", away);
    this.refused.push(tile.item);
    $("list").append(tile.item);
    tile.item.scrollIntoView({ block: "nearest" });
    this.tell(`${file.name}: ${reason}`, { alarm: true });
  }

  watchDrops() {
    const holdsFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    let depth = 0;
    addEventListener("dragenter", (event) => {
      if (!holdsFiles(event)) return;
      depth += 1;
      $("drop").hidden = false;
    });
    addEventListener("dragleave", () => {
      depth = Math.max(depth - 1, 0);
      $("drop").hidden = depth === 0;
    });
    addEventListener("dragover", (event) => event.preventDefault());
    addEventListener("drop", (event) => {
      event.preventDefault();
      depth = 0;
      $("drop").hidden = true;
      this.add([...(event.dataTransfer?.files ?? [])]);
    });
  }
}

function makeTile(name) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "tile";
  button.title = name;
  const image = document.createElement("img");
  image.className = "face";
  image.alt = "";
  const number = document.createElement("span");
  number.className = "number";
  const label = document.createElement("span");
  label.className = "name";
  label.textContent = name;
  const reason = document.createElement("span");
  reason.className = "reason";
  reason.hidden = true;
  const remove = document.createElement("button");
  remove.type = "button";
  remove.className = "remove";
  remove.textContent = "\u00d7";
  button.append(image, reason, number, label);
  item.append(button, remove);
  return { item, button, image, number, reason, remove, picture: null };
}

// The tab of what was recorded: a list that plays, loads down, renames, removes and brings back.

import { h } from "/dom.js";
import { language, onLanguage, t, translate } from "/i18n.js";

const PLAIN = new Set(["own", "trusted"]); // Signatures that need no second look.

function lasts(seconds) {
  const whole = Math.max(Math.round(seconds), 1);
  const two = (value) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return (hours ? `${hours}:${two(minutes)}` : `${minutes}`) + `:${two(whole % 60)}`;
}

function sized(bytes) {
  const [value, unit] =
    bytes < 1e6 ? [bytes / 1e3, "kilobyte"] : bytes < 1e9 ? [bytes / 1e6, "megabyte"] : [bytes / 1e9, "gigabyte"];
  const digits = value < 10 && unit !== "kilobyte" ? 1 : 0;
  return new Intl.NumberFormat(language(), {
    style: "unit",
    unit,
    maximumFractionDigits: digits,
  }).format(Math.max(value, 1));
}

function dated(seconds) {
  const format = { dateStyle: "medium", timeStyle: "short" };
  return new Intl.DateTimeFormat(language(), format).format(new Date(seconds * 1000));
}

// Only there "open folder" opens what this page's user sees.
const HERE = ["127.0.0.1", "localhost", "[::1]"].includes(location.hostname);

export class Recordings {
  constructor(root, context) {
    this.root = root;
    this.context = context;
    this.open = false;
    this.revision = null;
    this.shown = null; // The id of the last one that was finished, so that it is told once.
    this.found = [];
    this.cards = new Map();
    this.list = h("ul", { class: "recorded", id: "recorded" });
    this.none = h(
      "div",
      { class: "nothing", hidden: true },
      h("p", { class: "big", "data-t": "recordings.none" }),
      h("p", { class: "hint", "data-t": "recordings.none_hint" }),
    );
    this.notice = h("li", { class: "notice" });
    const still = h("button", {
      type: "button",
      id: "still-button",
      "data-t": "recordings.still",
      "data-t-title": "recordings.still_tip",
      onclick: () => context.link.do("recordings.still"),
    });
    root.append(
      h(
        "section",
        { class: "recordings" },
        h("div", { class: "top" }, h("h2", { "data-t": "recordings.title" }), still),
        this.none,
        this.list,
      ),
    );
    // Among the page's messages, which are read out: a recording that ends is told on every tab.
    document.getElementById("lines").append(this.notice);
    this.player = this.buildPlayer();
    document.body.append(this.player);
    translate(root);
    onLanguage(() => this.render());
  }

  entered() {
    this.open = true;
    this.load();
  }

  left() {
    this.open = false;
  }

  show(state) {
    const told = state.recordings;
    if (!told) return;
    const last = told.last;
    // What was finished before this page was opened is no news.
    if (this.revision !== null && last && last.id !== this.shown) this.tellFinished(last);
    this.shown = last?.id ?? null;
    if (told.revision === this.revision) return;
    this.revision = told.revision;
    if (this.open) this.load();
  }

  tellFinished(last) {
    const words = last.still ? "recordings.still_taken" : "recordings.finished";
    this.tell(t(words, { file: last.file, folder: last.folder }), "recordings.show", () => {
      document.getElementById("to-recordings").click();
      this.wanted = last.id;
      this.load();
    });
  }

  // A line with one button, which stays until it is used or put away.
  tell(line, action, act) {
    const away = () => this.notice.replaceChildren();
    this.notice.replaceChildren(
      h(
        "div",
        { class: "card" },
        h("p", {}, line),
        h(
          "button",
          {
            type: "button",
            class: "primary",
            "data-t": action,
            onclick: () => {
              away();
              act();
            },
          },
        ),
        h("button", { type: "button", class: "quiet", "data-t": "recordings.away", onclick: away }),
      ),
    );
    translate(this.notice);
  }

  async load() {
    let answer;
    try {
      answer = await this.context.link.fetch("/recordings");
    } catch {
      return; // The program is gone, which the page says already.
    }
    if (!answer.ok) return;
    this.found = await answer.json();
    this.render();
  }

  render() {
    this.none.hidden = this.found.length > 0;
    const known = this.cards;
    this.cards = new Map();
    for (const one of this.found) {
      const text = JSON.stringify([one, language()]);
      let card = known.get(one.id);
      if (card?.text !== text) {
        card = { text, item: this.card(one, card?.picture), picture: card?.picture };
        card.picture = card.item.querySelector("img");
      }
      this.cards.set(one.id, card);
    }
    // Only what changed is touched: the keyboard's focus stays where it is.
    const items = [...this.cards.values()].map((card) => card.item);
    for (const item of [...this.list.children]) if (!items.includes(item)) item.remove();
    items.forEach((item, index) => {
      if (this.list.children[index] !== item) this.list.insertBefore(item, this.list.children[index] ?? null);
    });
    this.fillPlayer();
    if (this.wanted && this.cards.has(this.wanted)) {
      const { item } = this.cards.get(this.wanted);
      item.scrollIntoView({ block: "nearest" });
      item.querySelector("button").focus();
      this.wanted = null;
    }
  }

  card(one, picture) {
    const image = picture ?? h("img", { alt: "" });
    if (!picture) this.loadPicture(image, one.id);
    const button = (word, onclick, more = {}) =>
      h("button", { type: "button", onclick, "aria-label": `${t(word)}: ${one.name}`, ...more }, t(word));
    const open = one.still ? "recordings.look" : "recordings.play";
    return h(
      "li",
      { "data-id": one.id },
      h(
        "button",
        {
          type: "button",
          class: "picture",
          "aria-label": `${t(open)}: ${one.name}`,
          onclick: () => this.play(one),
        },
        image,
        h("span", { class: "length" }, one.seconds === null ? t("recordings.picture") : lasts(one.seconds)),
      ),
      h("p", { class: "name", title: one.file }, one.name),
      h("p", { class: "about" }, `${dated(one.made)} · ${sized(one.size)}`),
      h(
        "div",
        { class: "bar" },
        button("recordings.download", () => this.download(one)),
        button("recordings.rename", () => this.rename(one)),
        HERE ? button("recordings.folder", () => this.openFolder(one), { title: one.folder }) : null,
        button("recordings.remove", () => this.remove(one), { class: "danger" }),
      ),
    );
  }

  async loadPicture(image, id) {
    try {
      const answer = await this.context.link.fetch(`/recordings/${id}/thumbnail`);
      if (answer.ok) image.src = URL.createObjectURL(await answer.blob());
    } catch {
      // The program is gone.
    }
  }

  // An address of this one file that is good for a while: players and downloads send no key.
  async address(one) {
    const answer = await this.context.link.fetch(`/recordings/${one.id}/token`, { method: "POST" });
    const told = await answer.json();
    if (!answer.ok) {
      this.context.tell(told.refused);
      this.load();
      return null;
    }
    return `/recorded/${told.token}`;
  }

  async download(one) {
    const address = await this.address(one);
    if (address) h("a", { href: `${address}?download`, download: one.file }).click();
  }

  async openFolder(one) {
    const answer = await this.context.link.fetch(`/recordings/${one.id}/folder`, { method: "POST" });
    if (!answer.ok) this.context.tell((await answer.json()).refused);
  }

  remove(one) {
    const { link } = this.context;
    link.do("recordings.remove", one.id);
    this.tell(t("recordings.removed", { name: one.name }), "recordings.undo", () =>
      link.do("recordings.restore", one.id),
    );
  }

  rename(one) {
    const field = h("input", { value: one.name, id: "new-name", maxlength: 200 });
    const dialog = h(
      "dialog",
      { "aria-labelledby": "rename-title", class: "rename" },
      h("h2", { id: "rename-title" }, t("recordings.rename")),
      h(
        "form",
        { method: "dialog" },
        h("label", { class: "slider" }, t("recordings.name"), field),
        h("button", { value: "no", type: "button", onclick: () => dialog.close("no") }, t("recordings.cancel")),
        h("button", { value: "yes", class: "primary" }, t("recordings.rename")),
      ),
    );
    field.autocomplete = "off";
    dialog.addEventListener("close", () => {
      const name = field.value.trim();
      if (dialog.returnValue === "yes" && name && name !== one.name) {
        this.context.link.do("recordings.rename", { id: one.id, name });
      }
      dialog.remove();
    });
    document.body.append(dialog);
    dialog.showModal();
    field.select();
  }

  buildPlayer() {
    this.screen = h("div", { class: "player" });
    this.title = h("h2", { id: "player-title" });
    this.place = h("p", { class: "about" });
    this.signature = h("p", { class: "signature", role: "status" });
    const dialog = h(
      "dialog",
      { id: "player", class: "wide", "aria-labelledby": "player-title" },
      this.title,
      this.screen,
      this.place,
      this.signature,
      h("form", { method: "dialog" }, h("button", { class: "primary", "data-t": "recordings.close" })),
    );
    dialog.addEventListener("close", () => {
      this.playing = null;
      this.screen.replaceChildren(); // A video that is not shown plays on.
    });
    return dialog;
  }

  async play(one) {
    const address = await this.address(one);
    if (!address) return;
    this.playing = one.id;
    this.screen.replaceChildren(
      one.still
        ? h("img", { src: address, alt: one.name })
        : h("video", { src: address, controls: true, autoplay: true, playsinline: true, "aria-label": one.name }),
    );
    if (!one.signature) this.context.link.do("recordings.check", one.id);
    translate(this.player);
    this.fillPlayer();
    this.player.showModal();
  }

  fillPlayer() {
    const one = this.found.find(({ id }) => id === this.playing);
    if (!one) return;
    this.title.textContent = one.name;
    this.place.textContent = t("recordings.lies", { file: one.file, folder: one.folder });
    const found = one.signature;
    const at = found?.at ? dated(Date.parse(found.at) / 1000) : "";
    this.signature.textContent = found
      ? t(`recordings.signed_${found.code}`, { by: found.by, at })
      : t("recordings.checking");
    this.signature.classList.toggle("good", PLAIN.has(found?.code));
    this.signature.classList.toggle("bad", found?.code === "changed");
  }
}

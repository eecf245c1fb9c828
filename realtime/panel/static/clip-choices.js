// Step 3 of a clip: its part, the matching moment, how it is drawn; and what it will look like.

import { clearPicture, clockTime, decimal, request, showPicture } from "/clip-pictures.js";
import { h } from "/dom.js";

const STRIP = 9; // Pictures under the part.
const STEP = 0.1; // Seconds.
const WAIT = 350; // Milliseconds without another change before something is computed.

let radios = 0;

export class Choices {
  // started(): called when a clip was asked for.
  constructor(context, started) {
    Object.assign(this, context, { started });
    this.video = null;
    this.photo = null;
    this.moments = [];
    this.best = [];
    this.reference = null;
    this.wanted = null;
    this.timers = {};
    this.asked = 0;
    this.ready = false;
    this.makePart();
    this.makeMoments();
    this.makeSwitches();
    this.root = h(
      "section",
      { class: "clip-step clip-choices", "aria-labelledby": "clip-choices-title" },
      h(
        "h2",
        { id: "clip-choices-title" },
        h("span", { class: "step-number", "aria-hidden": "true" }, "3"),
        h("span", { "data-t": "clip.choices.title" }),
      ),
      (this.none = h("p", { class: "hint", "data-t": "clip.choices.none" })),
      (this.body = h("div", { class: "choices-body", hidden: true }, this.part, this.matching, this.more)),
    );
    this.makePreview();
  }

  makePart() {
    const range = (name) =>
      h("input", {
        type: "range", min: 0, max: 1, step: STEP, class: `trim-${name}`,
        "data-t-label": `clip.part.${name}`, "data-t-title": `clip.part.${name}`,
        oninput: () => this.trimmed(name, this.ranges[name]),
      });
    const number = (name) =>
      h("input", {
        type: "number", min: 0, step: STEP, inputmode: "decimal", id: `clip-${name}`,
        onchange: () => this.trimmed(name, this.numbers[name]),
      });
    this.ranges = { from: range("from"), to: range("to") };
    this.numbers = { from: number("from"), to: number("to") };
    this.strip = h("div", { class: "strip", "aria-hidden": "true" });
    this.before = h("div", { class: "trim-shade" });
    this.after = h("div", { class: "trim-shade after" });
    this.length = h("p", { class: "hint trim-length" });
    this.part = h(
      "fieldset",
      {},
      h("legend", { "data-t": "clip.part.title" }),
      h("div", { class: "trim" }, this.strip, this.before, this.after, this.ranges.from, this.ranges.to),
      h(
        "div",
        { class: "trim-numbers" },
        h("label", { for: "clip-from", "data-t": "clip.part.from" }),
        this.numbers.from,
        h("label", { for: "clip-to", "data-t": "clip.part.to" }),
        this.numbers.to,
        this.length,
      ),
    );
  }

  makeMoments() {
    this.offers = h("div", { class: "moments" });
    this.group = `moment-${(radios += 1)}`;
    this.matching = h(
      "fieldset",
      {},
      h("legend", { "data-t": "clip.moment.title", "data-t-title": "clip.moment.help" }),
      h("p", { class: "hint", "data-t": "clip.moment.help" }),
      this.offers,
      (this.trouble = h("p", { class: "hint wrong", role: "alert", hidden: true })),
    );
  }

  makeSwitches() {
    this.backend = h("select", { id: "clip-backend", onchange: () => this.later("preview") });
    const check = (name) => {
      const box = h("input", { type: "checkbox", checked: true });
      box.addEventListener("change", () => name === "badge" && this.later("preview"));
      this[name] = box;
      const attributes = { class: "check", "data-t-title": `clip.${name}.help` };
      return h("label", attributes, box, h("span", { "data-t": `clip.${name}` }));
    };
    this.more = h(
      "div",
      { class: "clip-more" },
      h(
        "div",
        { class: "field", "data-t-title": "clip.backend.help" },
        h("label", { for: "clip-backend", "data-t": "clip.backend" }),
        this.backend,
      ),
      check("badge"),
      check("sign"),
    );
  }

  makePreview() {
    const picture = (name) => {
      const image = h("img", { alt: "", hidden: true });
      this[name] = image;
      return h(
        "figure",
        { class: `clip-${name}` },
        h("div", { class: "clip-screen" }, image),
        h("figcaption", { "data-t": `clip.preview.${name}` }),
      );
    };
    this.moment = h("input", {
      type: "range", min: 0, max: 0, step: 1, id: "clip-moment",
      oninput: () => {
        this.showDriver();
        this.later("preview");
      },
    });
    this.at = h("output", { for: "clip-moment" });
    this.startButton = h("button", { type: "button", class: "primary start", disabled: true });
    this.missing = h("p", { class: "hint", role: "status" });
    this.preview = h(
      "section",
      { class: "clip-preview", "aria-labelledby": "clip-preview-title" },
      h("h2", { id: "clip-preview-title", "data-t": "clip.preview.title" }),
      (this.pair = h("div", { class: "pair" }, picture("driver"), picture("result"))),
      (this.when = h(
        "div",
        { class: "slider" },
        h("label", { for: "clip-moment", "data-t": "clip.preview.moment" }),
        this.at,
        this.moment,
      )),
      h("div", { class: "bar" }, this.startButton, this.missing),
    );
    this.startButton.addEventListener("click", () => {
      this.link.do("clips.start", this.choices());
      this.started();
    });
  }

  show(state) {
    const { photo, video } = state.clips;
    this.showBackends(state);
    const changed = { photo: key(photo) !== key(this.photo), video: key(video) !== key(this.video) };
    this.photo = photo;
    this.video = video;
    this.ready = photo?.state === "ready" && video?.state === "ready";
    if (changed.video && video?.state === "ready") this.newVideo();
    if (changed.video && video?.state !== "ready") this.noVideo();
    if (this.ready && (changed.photo || changed.video)) this.later("best", 0);
    if (!this.ready) this.noResult();
    this.render();
  }

  // Choices to take up with the sources that lie ready, or will in a moment.
  want(choices) {
    this.wanted = choices;
    this.badge.checked = choices.badge;
    this.sign.checked = choices.sign;
    if (this.ready) this.takeUp();
  }

  takeUp() {
    const { start, end, reference, backend } = this.wanted;
    this.wanted = null;
    if ([...this.backend.options].some((one) => one.value === backend)) this.backend.value = backend;
    this.reference = reference;
    this.setPart(start, end ?? this.video.seconds);
    this.later("best", 0);
  }

  showBackends(state) {
    const told = state.setup?.backend?.choices ?? state.clips.backends;
    const usable = told.filter((one) => one.available !== false);
    const known = JSON.stringify(usable.map((one) => [one.name, one.label]));
    if (known === this.knownBackends) return;
    this.knownBackends = known;
    const chosen = this.backend.value;
    this.backend.replaceChildren(
      ...usable.map((one) => h("option", { value: one.name }, one.label ?? one.name)),
    );
    if (usable.some((one) => one.name === chosen)) this.backend.value = chosen;
    this.more.firstChild.hidden = usable.length < 2;
  }

  async newVideo() {
    const id = this.video.id;
    const answer = await this.link.fetch("/clips/moments");
    if (!answer.ok || this.video?.id !== id) return;
    const told = await answer.json();
    this.moments = told.moments;
    this.reference = null;
    this.setPart(0, this.video.seconds);
    this.moment.value = Math.round(this.moments.length / 2);
    this.strip.replaceChildren(
      ...Array.from({ length: STRIP }, (_, index) => {
        const image = h("img", { alt: "", hidden: true });
        const sample = Math.round(((index + 0.5) / STRIP) * (this.moments.length - 1));
        showPicture(this.link, image, this.frame(sample));
        return image;
      }),
    );
    if (this.wanted) this.takeUp();
    this.showDriver();
    this.render();
  }

  noVideo() {
    this.moments = [];
    this.best = [];
    this.reference = null;
    this.offers.replaceChildren();
    this.strip.replaceChildren();
    clearPicture(this.driver);
  }

  noResult() {
    clearPicture(this.result);
    this.pair.classList.remove("busy");
  }

  frame(sample) {
    return `/clips/material/${this.video.id}/frames/${sample}`;
  }

  // The part was changed by a slider or a number.
  trimmed(name, input) {
    const value = Math.min(Math.max(Number(input.value) || 0, 0), this.video.seconds);
    let { from, to } = this;
    if (name === "from") from = Math.min(value, to - 2 * STEP);
    else to = Math.max(value, from + 2 * STEP);
    this.setPart(Math.max(from, 0), to);
    this.moment.value = this.nearest(name === "from" ? this.from : this.to);
    this.showDriver();
    this.later("best");
  }

  setPart(from, to) {
    const { seconds } = this.video;
    this.from = from;
    this.to = Math.min(to, seconds);
    const whole = Math.ceil(seconds / STEP) * STEP;
    for (const name of ["from", "to"]) {
      const value = this[name];
      this.ranges[name].max = whole.toFixed(1);
      this.ranges[name].value = value;
      this.ranges[name].setAttribute("aria-valuetext", this.t("clip.seconds", { n: decimal(value) }));
      this.numbers[name].max = whole.toFixed(1);
      this.numbers[name].value = value.toFixed(1);
    }
    this.before.style.width = `${(100 * this.from) / whole}%`;
    this.after.style.width = `${100 - (100 * this.to) / whole}%`;
    const inside = this.moments
      .map((at, index) => ({ at, index }))
      .filter(({ at }) => at >= this.from && at < this.to);
    this.moment.min = inside[0]?.index ?? 0;
    this.moment.max = inside.at(-1)?.index ?? 0;
    this.inside = inside;
    this.renderLength();
  }

  renderLength() {
    if (!this.video || this.to === undefined) return;
    this.length.textContent = this.t("clip.part.length", { n: decimal(this.to - this.from) });
  }

  // The sample in the part that is shown nearest to a second.
  nearest(seconds) {
    const by = (one) => Math.abs(one.at - seconds);
    return [...this.inside].sort((a, b) => by(a) - by(b))[0]?.index ?? 0;
  }

  choices() {
    const whole = this.to >= this.video.seconds - STEP / 2;
    return {
      backend: this.backend.value,
      reference: this.reference,
      start: this.from,
      end: whole ? null : this.to,
      badge: this.badge.checked,
      sign: this.sign.checked,
    };
  }

  later(what, wait = WAIT) {
    clearTimeout(this.timers[what]);
    this.timers[what] = setTimeout(() => this[`ask_${what}`](), wait);
  }

  async ask_best() {
    if (!this.ready || !this.moments.length) {
      if (this.ready) this.later("best");
      return;
    }
    const asked = (this.asked += 1);
    try {
      const answer = await request(this.link, "/clips/best", this.choices());
      const { best } = await answer.json();
      if (asked !== this.asked) return;
      this.best = best;
      this.complain("");
      this.showBest();
    } catch (error) {
      if (asked !== this.asked) return;
      this.best = [];
      this.offers.replaceChildren();
      this.complain(error.message);
      return;
    }
    this.later("preview", 0);
  }

  complain(sentence) {
    this.trouble.textContent = sentence;
    this.trouble.hidden = !sentence;
    this.render();
  }

  showBest() {
    if (!this.best.some((one) => one.sample === this.reference)) {
      this.reference = this.best[0]?.sample ?? null;
    }
    const focused = this.offers.contains(document.activeElement);
    this.offers.replaceChildren(...this.best.map((one) => this.offer(one)));
    if (focused) this.offers.querySelector("input:checked")?.focus();
  }

  offer({ sample, seconds, score }) {
    const image = h("img", { alt: "", hidden: true });
    showPicture(this.link, image, `/clips/material/${this.video.id}/faces/${sample}`);
    const radio = h("input", { type: "radio", name: this.group, value: sample, class: "moment-radio" });
    radio.checked = sample === this.reference;
    radio.addEventListener("change", () => {
      this.reference = sample;
      this.later("preview", 0);
    });
    const percent = `${Math.round(100 * score)} %`;
    const name = this.t("clip.moment.one", { score: percent, at: decimal(seconds) });
    radio.setAttribute("aria-label", name);
    return h(
      "label",
      { class: "moment", title: name },
      radio,
      image,
      h("span", { class: "moment-score" }, percent),
      h("span", { class: "moment-at" }, clockTime(seconds)),
    );
  }

  showDriver() {
    if (!this.moments.length) return;
    const sample = Number(this.moment.value);
    showPicture(this.link, this.driver, this.frame(sample));
    const text = clockTime(this.moments[sample] ?? 0);
    this.at.textContent = text;
    this.moment.setAttribute("aria-valuetext", text);
  }

  async ask_preview() {
    if (!this.ready || !this.best.length) return;
    const sample = Number(this.moment.value);
    const body = JSON.stringify({ ...this.choices(), sample });
    this.pair.classList.add("busy");
    this.result.dataset.path = body;
    try {
      const answer = await this.link.fetch("/clips/preview", { method: "POST", body });
      if (this.result.dataset.path !== body) return;
      if (answer.ok) {
        const blob = await answer.blob();
        if (this.result.dataset.path !== body) return;
        if (this.result.src.startsWith("blob:")) URL.revokeObjectURL(this.result.src);
        this.result.src = URL.createObjectURL(blob);
        this.result.hidden = false;
        this.complain("");
      } else {
        this.complain((await answer.json()).refused);
      }
    } catch {
      // The program is gone; the page says so.
    }
    this.pair.classList.remove("busy");
  }

  render() {
    this.body.hidden = !this.ready;
    this.none.hidden = this.ready;
    this.when.hidden = !this.ready;
    this.startButton.disabled = !this.ready || !this.best.length;
    this.startButton.textContent = this.t("clip.start");
    const no = (one) => !one || one.state === "refused";
    let words = "";
    if (no(this.photo) && no(this.video)) words = this.t("clip.missing.both");
    else if (no(this.photo)) words = this.t("clip.missing.photo");
    else if (no(this.video)) words = this.t("clip.missing.video");
    else if (!this.ready) words = this.t("clip.missing.moment");
    this.missing.textContent = words;
    this.driver.alt = this.t("clip.preview.driver");
    this.result.alt = this.t("clip.preview.result");
    this.renderLength();
  }
}

function key(lying) {
  return lying ? `${lying.id} ${lying.state}` : "";
}

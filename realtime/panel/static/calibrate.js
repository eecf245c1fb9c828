// Calibration with a guide on the driver's preview, its undo, and the search for a better moment.

import { h } from "/dom.js";
import { onLanguage, t } from "/i18n.js";

const $ = (id) => document.getElementById(id);
const COUNT = 3;
const STEP = 900; // Milliseconds of each number: time to look up, none to grow impatient.
const ANSWER = 4000; // Milliseconds that a calibration may take, on a slow machine too.
const SIGN = 2500; // Milliseconds for which the picture says that it was calibrated.

const SHAPES = `
  <path class="shade" fill-rule="evenodd" d="M0 0H320V240H0Z
    M160 40C122 40 104 68 106 104C108 144 130 178 160 178C190 178 212 144 214 104C216 68 198 40 160 40Z"/>
  <path class="outline" d="M160 40C122 40 104 68 106 104C108 144 130 178 160 178C190 178 212 144 214 104C216 68 198 40 160 40Z"/>
  <path class="outline" d="M52 240C60 206 100 194 134 188M186 188C220 194 260 206 268 240"/>
  <path class="outline" d="M150 108H170M160 98V118"/>`;

export class Calibrate {
  constructor(link, messages) {
    this.link = link;
    this.messages = messages;
    this.taken = null; // How often the program has calibrated because it was asked.
    this.waits = 0; // A timer: asked, and not yet answered.
    this.steps = 0; // A timer of the guide.
    this.state = null;
    this.figures = null;
    $("calibrate").addEventListener("click", () => this.start());
    this.buildSearch();
    this.place = h("div", { class: "said", role: "status", hidden: true });
    $("guide").append(this.place, this.bar);
    onLanguage(() => {
      this.render();
      if (!this.place.hidden) this.say(...this.words);
    });
    this.render();
  }

  buildSearch() {
    this.words = [];
    this.text = h("span", {});
    this.now = h("i", {});
    this.best = h("b", {});
    this.meter = h("div", { class: "meter", role: "meter", "aria-valuemin": 0, "aria-valuemax": 100 });
    this.meter.append(this.now, this.best);
    this.use = h("button", { type: "button", class: "primary" });
    this.use.addEventListener("click", () => {
      this.link.do("search", false);
      this.link.do("calibrate");
      this.asked();
    });
    this.stop = h("button", { type: "button" });
    this.stop.addEventListener("click", () => this.link.do("search", false));
    this.hint = h("span", { class: "hint" });
    this.bar = h(
      "div",
      { class: "search", id: "search", role: "group", hidden: true },
      this.text,
      this.meter,
      this.hint,
      h("div", { class: "bar" }, this.use, this.stop),
    );
  }

  // The guide: where the face should be, three numbers, and then the moment itself.
  start() {
    if (this.guide) {
      this.cancel();
      return;
    }
    this.place.hidden = true;
    const shapes = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    shapes.setAttribute("viewBox", "0 0 320 240");
    shapes.setAttribute("preserveAspectRatio", "xMidYMid slice");
    shapes.setAttribute("aria-hidden", "true");
    shapes.innerHTML = SHAPES;
    this.counted = h("span", { class: "count-down", "aria-hidden": "true" });
    this.guide = h("div", { class: "guide" }, shapes, this.counted, h("p", { role: "status" }, t("guide.look")));
    $("driver-screen").append(this.guide);
    document.querySelector(".driver").scrollIntoView({ block: "nearest" });
    let left = COUNT;
    const count = () => {
      if (left === 0) {
        this.cancel();
        this.link.do("calibrate");
        this.asked();
        return;
      }
      this.counted.textContent = left;
      left -= 1;
      this.steps = setTimeout(count, STEP);
    };
    count();
    this.render();
  }

  cancel() {
    clearTimeout(this.steps);
    this.guide?.remove();
    this.guide = null;
    this.render();
  }

  // A calibration was asked for, here or by a key; no answer means that there was no face.
  asked() {
    this.cancel();
    clearTimeout(this.waits);
    this.waits = setTimeout(() => {
      this.waits = 0;
      this.say("bad", "guide.no_face", "guide.again", () => this.start());
      this.sign(t("guide.no_face"));
    }, ANSWER);
  }

  show(state) {
    const { taken } = state.calibration;
    const before = this.taken;
    this.taken = taken;
    this.state = state;
    if (before !== null && taken > before && !state.searching) this.done();
    if (state.searching && !this.searching) this.reveal = true;
    this.searching = state.searching;
    if (!state.calibration.undo && this.words[2] === "guide.undo") this.place.hidden = true;
    this.render();
  }

  done() {
    clearTimeout(this.waits);
    this.waits = 0;
    this.sign(t("guide.done"));
    if (this.state.calibration.undo) {
      this.say("good", "guide.done", "guide.undo", () => {
        this.link.do("undo_calibration");
        this.place.hidden = true;
        this.sign(t("guide.undone"));
      });
    } else this.say("good", "guide.done");
  }

  // A sign on the large picture, which is in view wherever the preview is.
  sign(text) {
    clearTimeout(this.signs);
    $("sign").textContent = text;
    $("sign").hidden = false;
    this.signs = setTimeout(() => ($("sign").hidden = true), SIGN);
  }

  say(kind, words, label = null, act = null) {
    this.words = [kind, words, label, act];
    this.place.className = `said ${kind}`;
    const button = label && h("button", { type: "button", onclick: act }, t(label));
    this.place.replaceChildren(h("p", {}, t(words)), ...(button ? [button] : []));
    this.place.hidden = false;
  }

  showFigures(figures) {
    this.figures = figures;
    this.render();
  }

  render() {
    const button = $("calibrate").querySelector("[data-t]");
    const key = this.guide ? "guide.cancel" : "calibrate.button";
    if (button.dataset.t !== key || button.textContent !== t(key)) {
      button.dataset.t = key;
      button.textContent = t(key);
    }
    this.bar.hidden = !this.state?.searching;
    if (this.bar.hidden) return;
    if (this.reveal) document.querySelector(".driver").scrollIntoView({ block: "nearest" });
    this.reveal = false;
    const percent = (share) => Math.round((share ?? 0) * 100);
    const { score, best } = this.figures?.match ?? { score: null, best: null };
    this.text.textContent =
      score === null
        ? t("search.waiting")
        : t("search.match", { now: percent(score), best: percent(best) });
    this.now.style.width = `${percent(score)}%`;
    this.best.style.left = `${percent(best)}%`;
    this.best.hidden = best === null;
    this.meter.ariaLabel = t("search.meter");
    this.meter.ariaValueNow = percent(score);
    this.bar.setAttribute("aria-label", t("search.button"));
    this.hint.textContent = t("search.hint");
    this.use.textContent = t("search.use");
    this.stop.textContent = t("search.stop");
  }
}

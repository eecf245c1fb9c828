// The clips that were asked for: how far each is, and a player for what came out.

import { decimal, request, showPicture } from "/clip-pictures.js";
import { h } from "/dom.js";

export class Jobs {
  // reuse(job): its sources are laid ready again, and its choices are to be taken up.
  constructor(context, reuse) {
    Object.assign(this, context);
    this.reuse = reuse;
    this.items = new Map();
    this.player = new Player(context);
    this.list = h("ul", { class: "jobs" });
    this.empty = h(
      "div",
      { class: "jobs-empty" },
      h("p", { class: "jobs-empty-title", "data-t": "clip.jobs.none" }),
      h("p", { class: "hint", "data-t": "clip.jobs.none-hint" }),
    );
    this.news = h("p", { class: "unseen", role: "status" });
    this.root = h(
      "section",
      { class: "clip-jobs", "aria-labelledby": "clip-jobs-title" },
      h("h2", { id: "clip-jobs-title", "data-t": "clip.jobs.title" }),
      this.news,
      this.player.root,
      this.empty,
      this.list,
    );
  }

  show(state) {
    this.jobs = state.clips.jobs;
    const wanted = new Set(this.jobs.map((job) => job.id));
    for (const id of this.items.keys()) if (!wanted.has(id)) this.items.delete(id);
    const items = this.jobs.map((job) => this.itemOf(job).root);
    const shown = [...this.list.children];
    if (items.length !== shown.length || items.some((item, at) => item !== shown[at])) {
      const focused = document.activeElement;
      this.list.replaceChildren(...items);
      if (focused && this.list.contains(focused)) focused.focus({ preventScroll: true });
    }
    this.empty.hidden = this.jobs.length > 0;
    if (!wanted.has(this.player.job?.id)) this.player.close();
  }

  render() {
    for (const [id, item] of this.items) {
      const job = this.jobs.find((one) => one.id === id);
      if (job) this.fill(item, job);
    }
    this.player.render();
  }

  itemOf(job) {
    let item = this.items.get(job.id);
    if (!item) {
      item = this.make(job);
      this.items.set(job.id, item);
    }
    if (item.state && item.state !== job.state) this.announce(job);
    this.fill(item, job);
    return item;
  }

  make(job) {
    const image = h("img", { alt: "", hidden: true });
    showPicture(this.link, image, `/clips/material/${job.photo}/thumbnail`);
    const button = (name, act, kind = "") =>
      h("button", { type: "button", class: kind, onclick: () => act(this.items.get(job.id).job) });
    const item = {
      name: h("p", { class: "job-name" }),
      line: h("p", { class: "job-line" }),
      note: h("p", { class: "hint" }),
      meter: h("progress", { max: 1 }),
      watch: button("watch", (one) => this.player.open(one), "primary"),
      save: button("save", (one) => this.save(one)),
      again: button("again", (one) => this.link.do("clips.again", one.id)),
      change: button("change", (one) => this.reuse(one)),
      cancel: button("cancel", (one) => this.link.do("clips.cancel", one.id)),
      remove: button("remove", (one) => this.remove(one), "quiet"),
    };
    item.root = h(
      "li",
      { class: "job" },
      h("div", { class: "job-picture" }, image),
      h("div", { class: "job-words" }, item.name, item.line, item.meter, item.note),
      h(
        "div",
        { class: "job-buttons" },
        item.watch, item.save, item.again, item.change, item.cancel, item.remove,
      ),
    );
    return item;
  }

  fill(item, job) {
    item.job = job;
    item.state = job.state;
    item.root.dataset.state = job.state;
    item.name.textContent = job.title;
    const line = this.words(job);
    if (item.line.textContent !== line) item.line.textContent = line;
    const running = job.state === "running";
    item.meter.hidden = !running;
    item.meter.setAttribute("aria-label", this.t("clip.jobs.meter", { name: job.title }));
    if (running && job.progress.stage !== "start") item.meter.value = job.progress.share;
    else item.meter.removeAttribute("value");
    item.note.textContent = job.notes.join(" ");
    item.note.hidden = !job.notes.length;
    const can = {
      watch: job.state === "done",
      save: job.state === "done",
      again: job.state === "failed" || job.state === "cancelled",
      change: ["done", "failed", "cancelled"].includes(job.state),
      cancel: job.state === "waiting" || running,
      remove: !running && job.state !== "waiting",
    };
    for (const [name, shown] of Object.entries(can)) {
      item[name].hidden = !shown;
      item[name].textContent = this.t(`clip.jobs.${name}`);
      item[name].setAttribute("aria-label", `${this.t(`clip.jobs.${name}`)}: ${job.title}`);
      item[name].title = this.t(`clip.jobs.${name}-help`);
    }
  }

  words(job) {
    if (job.state === "failed") return job.reason;
    if (job.state === "done") {
      const what = [this.t("clip.seconds", { n: decimal(job.length) })];
      what.push(this.t(job.signed ? "clip.jobs.signed" : "clip.jobs.unsigned"));
      what.push(new Date(1000 * job.made_at).toLocaleString(document.documentElement.lang, {
        dateStyle: "medium",
        timeStyle: "short",
      }));
      return what.join(" · ");
    }
    if (job.state !== "running") return this.t(`clip.jobs.${job.state}`);
    const { stage, share, left } = job.progress;
    const what = [this.t(`clip.stage.${stage}`)];
    if (stage !== "start") what.push(`${Math.floor(100 * share)} %`);
    if (left !== null && stage !== "sign") what.push(this.left(left));
    return what.join(" · ");
  }

  left(seconds) {
    if (seconds < 10) return this.t("clip.left.moment");
    if (seconds < 90) return this.t("clip.left.seconds", { n: Math.ceil(seconds / 10) * 10 });
    return this.t("clip.left.minutes", { n: Math.round(seconds / 60) });
  }

  announce(job) {
    if (!["done", "failed"].includes(job.state)) return;
    this.news.textContent = this.t(`clip.jobs.news-${job.state}`, { name: job.title });
    // Without taking focus or place from whoever is at the next clip.
    if (job.state === "done" && !this.player.job) this.player.open(job, false);
  }

  reveal() {
    reveal(this.root);
  }

  async save(job) {
    try {
      const answer = await request(this.link, "/clips/link", { job: job.id, what: "download" });
      const { address } = await answer.json();
      const anchor = h("a", { href: address, download: `${job.title}.mp4` });
      document.body.append(anchor);
      anchor.click();
      anchor.remove();
    } catch (error) {
      this.tell(error.message || this.t("clip.not-sent"));
    }
  }

  async remove(job) {
    const yes = await this.ask({
      title: this.t("clip.remove.title"),
      text: this.t("clip.remove.text", { name: job.title }),
      yes: this.t("clip.jobs.remove"),
      danger: true,
    });
    if (yes) this.link.do("clips.remove", job.id);
  }
}

const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

function reveal(element) {
  element.scrollIntoView({ block: "nearest", behavior: calm() ? "auto" : "smooth" });
}

// Result and driving clip side by side, played in step; the result leads.
class Player {
  constructor(context) {
    Object.assign(this, context);
    this.job = null;
    this.result = h("video", { controls: true, playsinline: true, loop: true, preload: "auto" });
    this.driver = h("video", { playsinline: true, loop: true, preload: "auto", tabindex: -1 });
    this.driver.muted = true;
    this.title = h("h3", { tabindex: -1 });
    this.closer = h("button", {
      type: "button",
      "data-t": "clip.player.close",
      onclick: () => this.close(),
    });
    this.driverWords = h("figcaption");
    this.resultWords = h("figcaption");
    this.side = h("figure", {}, h("div", { class: "clip-screen" }, this.driver), this.driverWords);
    this.root = h(
      "div",
      { class: "clip-player", hidden: true },
      h("div", { class: "clip-player-head" }, this.title, this.closer),
      h(
        "div",
        { class: "pair" },
        this.side,
        h("figure", {}, h("div", { class: "clip-screen" }, this.result), this.resultWords),
      ),
    );
    this.keepInStep();
  }

  keepInStep() {
    const { result, driver } = this;
    const follow = () => {
      if (Math.abs(driver.currentTime - result.currentTime) > 0.08) {
        driver.currentTime = result.currentTime;
      }
    };
    result.addEventListener("play", () => {
      follow();
      driver.play().catch(() => {});
    });
    result.addEventListener("pause", () => {
      driver.pause();
      follow();
    });
    for (const name of ["seeking", "seeked", "timeupdate"]) result.addEventListener(name, follow);
    result.addEventListener("ratechange", () => (driver.playbackRate = result.playbackRate));
    // What this browser cannot show is left out.
    driver.addEventListener("error", () => (this.side.hidden = true));
    driver.addEventListener("loadeddata", () => (this.side.hidden = false));
  }

  async open(job, come = true) {
    this.job = job;
    this.side.hidden = false;
    try {
      for (const what of ["result", "driver"]) {
        const answer = await request(this.link, "/clips/link", { job: job.id, what });
        if (this.job !== job) return;
        this[what].src = (await answer.json()).address;
      }
    } catch (error) {
      if (!this.result.src) {
        this.tell(error.message || this.t("clip.not-sent"));
        this.close();
        return;
      }
      this.side.hidden = true;
    }
    this.root.hidden = false;
    this.render();
    if (!come) return;
    this.title.focus({ preventScroll: true });
    reveal(this.root);
    if (!calm()) this.result.play().catch(() => {});
  }

  stop() {
    this.result.pause();
  }

  close() {
    this.job = null;
    this.root.hidden = true;
    for (const video of [this.result, this.driver]) {
      video.pause();
      video.removeAttribute("src");
      video.load();
    }
  }

  render() {
    this.title.textContent = this.job?.title ?? "";
    this.closer.textContent = this.t("clip.player.close");
    this.driverWords.textContent = this.t("clip.player.driver");
    this.resultWords.textContent = this.t("clip.player.result");
    this.result.setAttribute("aria-label", this.t("clip.player.result"));
    this.driver.setAttribute("aria-label", this.t("clip.player.driver"));
  }
}

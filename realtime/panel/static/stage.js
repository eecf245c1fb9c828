// The large picture: as large as the window lets it be, and asked for at the size it is shown at.

import { draw } from "/socket.js";

const FPS = 30;
const $ = (id) => document.getElementById(id);

export class Stage {
  constructor(link) {
    this.link = link;
    this.live = true;
    this.asked = "";
    this.screen = $("output").parentElement;
    const watch = new ResizeObserver(() => this.measure());
    for (const one of [$("bars"), this.screen, document.querySelector("header"), $("banner")]) {
      watch.observe(one);
    }
    document.addEventListener("visibilitychange", () => this.choose());
    addEventListener("resize", () => this.choose());
    $("output-link").addEventListener("click", (event) => {
      event.preventDefault();
      // The new tab gets a copy of this one's storage, so that no address has the key.
      open("/output", "_blank");
    });
  }

  entered() {
    this.live = true;
    this.choose();
  }

  left() {
    this.live = false;
    this.choose();
  }

  picture(kind, bitmap) {
    draw($(kind), bitmap);
    if (kind !== "output") return;
    const ratio = (bitmap.width / bitmap.height).toFixed(4);
    if (ratio !== this.ratio) {
      this.ratio = ratio;
      this.screen.parentElement.style.setProperty("--ratio", ratio);
    }
  }

  // What stands above and below the picture is as high as its words need.
  measure() {
    const bars = $("bars").offsetHeight + 12;
    const root = document.documentElement;
    this.screen.parentElement.style.setProperty("--bars", `${bars}px`);
    const above = document.querySelector("main").getBoundingClientRect().top + scrollY;
    root.style.setProperty("--header", `${above}px`);
    this.choose();
  }

  choose() {
    const seen = this.live && !document.hidden;
    const width = Math.ceil($("output").clientWidth * devicePixelRatio);
    const shows = seen && width ? { output: { width, fps: FPS }, camera: { width: 320, fps: 15 } } : {};
    const asked = JSON.stringify(shows);
    if (asked === this.asked) return;
    this.asked = asked;
    this.link.want(shows);
  }
}

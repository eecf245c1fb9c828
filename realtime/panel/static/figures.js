// How the run is doing: figures, stages, and a small moving plot of the added latency.

import { onLanguage, t } from "/i18n.js";

const $ = (id) => document.getElementById(id);
const POINTS = 120; // One minute, two a second.

export class Figures {
  constructor() {
    this.history = [];
    this.newest = null;
    addEventListener("resize", () => this.newest && this.plot());
    $("details").addEventListener("toggle", () => this.newest && this.render());
    onLanguage(() => this.newest && this.render());
  }

  show(figures) {
    this.newest = figures;
    this.history.push([figures.latency_p50, figures.latency_p99]);
    if (this.history.length > POINTS) this.history.shift();
    this.render();
  }

  render() {
    const figures = this.newest;
    const { latency_p50: p50, latency_p99: p99 } = figures;
    $("fps").textContent = t("details.per_second", { fps: figures.fps.toFixed(0) });
    $("fps").title = t("details.output_rate", { fps: figures.fps_output.toFixed(0) });
    $("latency").textContent = p50 === null ? "-" : `${p50.toFixed(0)} / ${p99.toFixed(0)} ms`;
    this.showMicrophone(p50, figures.delay);
    $("dropped").textContent = figures.dropped;
    $("outputs").textContent = figures.outputs.join(" + ") || t("details.nowhere");
    $("device").textContent = `${figures.backend}: ${figures.device}`;
    $("camera-name").textContent =
      figures.camera + (figures.camera_lost ? ` (${t("details.lost")})` : "");
    this.showStages(figures.stages);
    this.plot();
  }

  // Lips and voice go together when the sound is as late as the picture.
  showMicrophone(p50, delay) {
    if (p50 === null) return;
    const wanted = Math.round(Math.max(p50, delay ?? 0) / 5) * 5;
    // What changes with every glance cannot be set.
    const near = this.advised !== undefined && Math.abs(wanted - this.advised) < 10;
    if (!near) this.advised = wanted;
    $("microphone").textContent = t("details.delay_by", { ms: this.advised });
    $("microphone").title =
      t("details.delay_why") + (delay === null ? ` ${t("details.delay_constant")}` : "");
  }

  showStages(stages) {
    const shown = document.querySelector("[data-switch=stages]").ariaPressed === "true";
    $("stages").hidden = !shown;
    if (!shown) return;
    $("stages").tBodies[0].replaceChildren(
      ...Object.entries(stages).map(([name, values]) => {
        const row = document.createElement("tr");
        const head = document.createElement("th");
        head.scope = "row";
        head.textContent = name;
        row.append(head);
        for (const value of values) row.insertCell().textContent = value.toFixed(1);
        return row;
      }),
    );
  }

  plot() {
    const canvas = $("plot");
    const scale = devicePixelRatio;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width) return;
    canvas.width = width * scale;
    canvas.height = height * scale;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    // As computed, since canvases know nothing of light and dark.
    const colour = (selector) => getComputedStyle(document.querySelector(selector)).color;
    const top = Math.max(50, ...this.history.map(([, p99]) => p99 ?? 0)) * 1.1;
    const y = (value) => height - 4 - ((height - 16) * value) / top;
    const words = colour("figcaption");
    const lines = getComputedStyle($("figures").parentElement.parentElement).borderTopColor;
    pen.font = "11px system-ui, sans-serif";
    pen.lineWidth = 1;
    const step = [25, 50, 100, 200, 500, 1000, 5000].find((one) => top / one <= 4) ?? 20_000;
    for (let value = 0; value < top; value += step) {
      pen.strokeStyle = lines;
      pen.beginPath();
      pen.moveTo(34, y(value));
      pen.lineTo(width, y(value));
      pen.stroke();
      pen.fillStyle = words;
      pen.textAlign = "right";
      pen.fillText(String(value), 28, y(value) + 4);
    }
    for (const [index, key] of [[1, ".key99"], [0, ".key50"]]) {
      pen.strokeStyle = colour(key);
      pen.lineWidth = 2;
      pen.lineJoin = "round";
      pen.beginPath();
      this.history.forEach((pair, place) => {
        if (pair[index] === null) return;
        const x = width - ((this.history.length - 1 - place) * (width - 36)) / (POINTS - 1);
        pen.lineTo(x, y(pair[index]));
      });
      pen.stroke();
    }
    canvas.ariaLabel = t("details.plot_now", { now: $("latency").textContent });
  }
}

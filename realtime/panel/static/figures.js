// How the run is doing: figures, stages, and a small moving plot of the added latency.

const $ = (id) => document.getElementById(id);
const POINTS = 120; // One minute, two a second.

export class Figures {
  constructor() {
    this.history = [];
    this.spoken = "";
  }

  show(figures) {
    const { latency_p50: p50, latency_p99: p99 } = figures;
    $("fps").textContent = `${figures.fps.toFixed(0)} fps`;
    $("fps").title = `The output runs at ${figures.fps_output.toFixed(0)} fps`;
    $("latency").textContent = p50 === null ? "-" : `${p50.toFixed(0)} / ${p99.toFixed(0)} ms`;
    this.showMicrophone(p50, figures.delay);
    $("dropped").textContent = figures.dropped;
    $("outputs").textContent = figures.outputs.join(" + ") || "nowhere";
    $("device").textContent = `${figures.backend}: ${figures.device}`;
    $("camera-name").textContent = figures.camera + (figures.camera_lost ? " (lost)" : "");
    this.showFace(figures);
    this.showStages(figures.stages);
    this.history.push([p50, p99]);
    if (this.history.length > POINTS) this.history.shift();
    this.plot();
  }

  // Lips and voice go together when the sound is as late as the picture.
  showMicrophone(p50, delay) {
    if (p50 === null) return;
    const wanted = Math.round(Math.max(p50, delay ?? 0) / 5) * 5;
    // What changes with every glance cannot be set.
    if (this.advised !== undefined && Math.abs(wanted - this.advised) < 10) return;
    this.advised = wanted;
    $("microphone").textContent =
      `delay it by ${wanted} ms (OBS: Advanced Audio Properties, Sync Offset)`;
    $("microphone").title =
      "What this program adds; what camera and call add comes on top, mostly for the sound too." +
      (delay === null ? " Start with --delay to have it constant." : "");
  }

  showFace(figures) {
    let text = "no face in view";
    if (figures.camera_lost) text = "camera lost, trying again";
    else if (figures.face_found) text = figures.calibration;
    const good = figures.face_found && !figures.camera_lost;
    // A screen reader says it when it changes, not twice a second.
    if (text !== this.spoken) {
      this.spoken = text;
      $("face").textContent = text;
      $("face").classList.toggle("warn", !good);
    }
    $("search").hidden = figures.match === null;
    if (figures.match !== null) {
      const percent = (share) => (share === null ? "-" : `${Math.round(share * 100)} %`);
      $("search").textContent =
        `match ${percent(figures.match.score)}, best ${percent(figures.match.best)}`;
    }
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
    const style = getComputedStyle(document.documentElement);
    const top = Math.max(50, ...this.history.map(([, p99]) => p99 ?? 0)) * 1.1;
    const y = (value) => height - 4 - ((height - 16) * value) / top;
    pen.font = "11px system-ui, sans-serif";
    pen.lineWidth = 1;
    const step = [25, 50, 100, 200, 500, 1000, 5000].find((one) => top / one <= 4) ?? 20_000;
    for (let value = 0; value < top; value += step) {
      pen.strokeStyle = style.getPropertyValue("--line");
      pen.beginPath();
      pen.moveTo(34, y(value));
      pen.lineTo(width, y(value));
      pen.stroke();
      pen.fillStyle = style.getPropertyValue("--dim");
      pen.textAlign = "right";
      pen.fillText(String(value), 28, y(value) + 4);
    }
    for (const [index, colour] of [[1, "--plot99"], [0, "--plot50"]]) {
      pen.strokeStyle = style.getPropertyValue(colour);
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
    canvas.ariaLabel = `Added latency of the last minute, now ${$("latency").textContent}`;
  }
}

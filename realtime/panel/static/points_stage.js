// A picture with points on it that are dragged, and that can be zoomed and moved.

import { h } from "/dom.js";
import { t } from "/i18n.js";

const SVG = "http://www.w3.org/2000/svg";
const MOST = 16; // Zoom at most, from the size at which the whole picture is seen.
const STILL = 5; // Pixels that a pointer may move during a click.

// What belongs together is joined by lines.
export const LINES = [
  ["left_eye_outer", "left_upper_lid", "left_eye_inner", "left_lower_lid", "left_eye_outer"],
  ["right_eye_inner", "right_upper_lid", "right_eye_outer", "right_lower_lid", "right_eye_inner"],
  ["mouth_left", "mouth_middle", "mouth_right"],
  ["forehead", "left_cheek", "chin", "right_cheek", "forehead"],
  ["left_eye_inner", "nose", "right_eye_inner"],
];

export class Stage {
  // acts: changed(), settled(), chosen(name).
  constructor(acts) {
    this.acts = acts;
    this.size = { width: 1, height: 1 };
    this.view = { scale: 1, x: 0, y: 0 };
    this.points = new Map(); // Name to {x, y}, fractions of the picture.
    this.handles = new Map();
    this.selected = null;
    this.pointers = new Map();
    this.image = h("img", { class: "points-picture", alt: "", draggable: "false" });
    this.lines = document.createElementNS(SVG, "svg");
    this.lines.setAttribute("aria-hidden", "true");
    this.root = h("div", { class: "points-stage" }, this.image, this.lines);
    this.root.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.root.addEventListener("pointerdown", (event) => this.down(event));
    this.root.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"]) {
      this.root.addEventListener(end, (event) => this.up(event));
    }
    this.observer = new ResizeObserver(() => this.resized());
    this.observer.observe(this.root);
  }

  open(url, size, points) {
    this.image.src = url;
    this.size = size;
    this.set(points);
    this.fit();
    this.toFace();
    this.select(points[0].name);
  }

  // points: [{name, x, y}].
  set(points) {
    this.points = new Map(points.map(({ name, x, y }) => [name, { x, y }]));
    for (const [name, handle] of this.handles) {
      if (this.points.has(name)) continue;
      handle.remove();
      this.handles.delete(name);
    }
    for (const name of this.points.keys()) if (!this.handles.has(name)) this.makeHandle(name);
    this.draw();
  }

  list() {
    return [...this.points].map(([name, { x, y }]) => ({ name, x, y }));
  }

  makeHandle(name) {
    const handle = h("button", { type: "button", class: "point", "data-point": name }, h("span", {}));
    handle.addEventListener("focus", () => this.select(name));
    handle.addEventListener("keydown", (event) => this.key(event, name));
    this.handles.set(name, handle);
    this.root.append(handle);
  }

  select(name) {
    this.selected = name;
    for (const [other, handle] of this.handles) handle.classList.toggle("chosen", other === name);
    this.acts.chosen(name);
  }

  get box() {
    return { width: this.root.clientWidth, height: this.root.clientHeight };
  }

  // The scale at which the whole picture is seen.
  get whole() {
    const { width, height } = this.box;
    return Math.min(width / this.size.width, height / this.size.height) || 1;
  }

  fit() {
    const { width, height } = this.box;
    const scale = this.whole;
    this.view = {
      scale,
      x: (width - scale * this.size.width) / 2,
      y: (height - scale * this.size.height) / 2,
    };
    this.fitted = true;
    this.draw();
  }

  // A face that is small in its picture is brought near.
  toFace() {
    const xs = this.list().map(({ x }) => x * this.size.width);
    const ys = this.list().map(({ y }) => y * this.size.height);
    const [left, right] = [Math.min(...xs), Math.max(...xs)];
    const [top, bottom] = [Math.min(...ys), Math.max(...ys)];
    const { width, height } = this.box;
    const scale = Math.min(width / (1.35 * (right - left)), height / (1.35 * (bottom - top)));
    if (scale < 1.3 * this.whole) return;
    this.view = {
      scale: Math.min(scale, MOST * this.whole),
      x: width / 2 - (scale * (left + right)) / 2,
      y: height / 2 - (scale * (top + bottom)) / 2,
    };
    this.fitted = false;
    this.draw();
  }

  resized() {
    if (this.fitted !== false) this.fit();
    else this.draw();
  }

  // Zoom around a place of the stage; without one around its middle.
  zoom(by, at = { x: this.box.width / 2, y: this.box.height / 2 }) {
    const { whole, view } = this;
    const scale = Math.min(Math.max(view.scale * by, whole), MOST * whole);
    const share = scale / view.scale;
    this.view = { scale, x: at.x - share * (at.x - view.x), y: at.y - share * (at.y - view.y) };
    this.fitted = scale <= whole * 1.001;
    if (this.fitted) this.fit();
    else this.pan(0, 0);
  }

  // At least a quarter of the stage shows the picture.
  pan(x, y) {
    const { width, height } = this.box;
    const { scale } = this.view;
    const keep = (value, length, size) =>
      Math.min(Math.max(value, length / 4 - scale * size), (3 * length) / 4);
    this.view.x = keep(this.view.x + x, width, this.size.width);
    this.view.y = keep(this.view.y + y, height, this.size.height);
    this.fitted = false;
    this.draw();
  }

  place(event) {
    const { left, top } = this.root.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  wheel(event) {
    event.preventDefault();
    // A pinch on a touchpad comes as a wheel with Ctrl.
    this.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), this.place(event));
  }

  down(event) {
    const name = event.target.closest?.(".point")?.dataset.point ?? null;
    const at = this.place(event);
    this.root.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { ...at, from: at, name });
    if (name) {
      this.handles.get(name).focus({ preventScroll: true });
      event.preventDefault();
    }
  }

  move(event) {
    const pointer = this.pointers.get(event.pointerId);
    if (!pointer) return;
    const at = this.place(event);
    const by = { x: at.x - pointer.x, y: at.y - pointer.y };
    const others = [...this.pointers.values()].filter((one) => one !== pointer);
    if (others.length === 1 && !pointer.name) this.pinch(pointer, others[0], at);
    Object.assign(pointer, at);
    if (Math.hypot(at.x - pointer.from.x, at.y - pointer.from.y) > STILL) pointer.moved = true;
    if (pointer.name) this.shift(pointer.name, by.x / this.view.scale, by.y / this.view.scale);
    else this.pan(by.x / Math.max(this.pointers.size, 1), by.y / Math.max(this.pointers.size, 1));
  }

  pinch(pointer, other, at) {
    other.moved = pointer.moved = true;
    const before = Math.hypot(pointer.x - other.x, pointer.y - other.y);
    const now = Math.hypot(at.x - other.x, at.y - other.y);
    const middle = { x: (at.x + other.x) / 2, y: (at.y + other.y) / 2 };
    if (before > 10 && now > 10) this.zoom(now / before, middle);
  }

  up(event) {
    const pointer = this.pointers.get(event.pointerId);
    this.pointers.delete(event.pointerId);
    if (!pointer) return;
    if (pointer.name) {
      if (pointer.moved) this.acts.settled();
    } else if (!pointer.moved && event.type === "pointerup" && this.selected) {
      // A click puts the chosen point there: no dragging is needed, and no finger hides it.
      const x = (pointer.x - this.view.x) / this.view.scale / this.size.width;
      const y = (pointer.y - this.view.y) / this.view.scale / this.size.height;
      const { x: oldX, y: oldY } = this.points.get(this.selected);
      this.shift(this.selected, (x - oldX) * this.size.width, (y - oldY) * this.size.height);
      this.handles.get(this.selected).focus({ preventScroll: true });
      this.acts.settled();
    }
  }

  key(event, name) {
    const step = event.shiftKey ? 10 : 1;
    const by = {
      ArrowLeft: [-step, 0],
      ArrowRight: [step, 0],
      ArrowUp: [0, -step],
      ArrowDown: [0, step],
    }[event.key];
    if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.shift(name, ...by);
    this.reveal(name);
    this.acts.settled(true);
  }

  // Move a point by pixels of the picture; it stays in the picture.
  shift(name, x, y) {
    const point = this.points.get(name);
    point.x = Math.min(Math.max(point.x + x / this.size.width, 0), 1);
    point.y = Math.min(Math.max(point.y + y / this.size.height, 0), 1);
    this.draw();
    this.acts.changed();
  }

  // A point that has left the stage comes back into view.
  reveal(name) {
    const { x, y } = this.at(name);
    const { width, height } = this.box;
    const by = (value, length) => Math.max(24 - value, 0) - Math.max(value - length + 24, 0);
    if (by(x, width) || by(y, height)) this.pan(by(x, width), by(y, height));
  }

  // Where a point is on the stage.
  at(name) {
    const { x, y } = this.points.get(name);
    const { scale } = this.view;
    return {
      x: this.view.x + scale * x * this.size.width,
      y: this.view.y + scale * y * this.size.height,
    };
  }

  draw() {
    const { scale, x, y } = this.view;
    Object.assign(this.image.style, {
      width: `${scale * this.size.width}px`,
      height: `${scale * this.size.height}px`,
      transform: `translate(${x}px, ${y}px)`,
    });
    for (const [name, handle] of this.handles) {
      const at = this.at(name);
      handle.style.transform = `translate(${at.x}px, ${at.y}px) translate(-50%, -50%)`;
      handle.ariaLabel = t(`points.${name}`);
      handle.title = t(`points.${name}`);
    }
    const paths = LINES.map((names) => {
      const line = document.createElementNS(SVG, "polyline");
      const there = names.filter((name) => this.points.has(name)).map((name) => this.at(name));
      line.setAttribute("points", there.map((at) => `${at.x},${at.y}`).join(" "));
      return line;
    });
    this.lines.replaceChildren(...paths);
  }

  close() {
    this.observer.disconnect();
  }
}

// The phone's page: sends its camera to the program, with a key that opens nothing else.

import { Clock } from "/clock.js";
import { loadWords, onLanguage, t } from "/i18n.js";
import { Sender, whyNoCamera } from "/sender.js";

const $ = (id) => document.getElementById(id);
const TAKEN_OVER = 4409;
const OVER = new Set([4401, 4410, 1008]); // The key opens nothing any more.
const AGAIN = 1500; // Milliseconds before another attempt to reach the computer.

class Line {
  constructor(key, changed) {
    this.key = key;
    this.changed = changed;
    this.clock = new Clock(this);
    this.sender = null;
    this.socket = null;
    this.wanted = false;
  }

  open() {
    this.wanted = true;
    const socket = new WebSocket(`wss://${location.host}/camera`, ["phone", `key.${this.key}`]);
    this.socket = socket;
    socket.onopen = () => {
      this.sender.connected();
      this.changed("sending");
    };
    socket.onmessage = (event) => {
      const message = JSON.parse(event.data);
      for (const [asked, there] of message.pong ?? []) this.clock.hear(asked, there);
      if (message.taken?.length) this.sender.taken(message.taken);
    };
    socket.onclose = (event) => {
      if (this.socket !== socket || !this.wanted) return;
      if (event.code === TAKEN_OVER || OVER.has(event.code)) {
        this.wanted = false;
        this.changed(event.code === TAKEN_OVER ? "taken_over" : "over");
        return;
      }
      this.changed("lost");
      setTimeout(() => this.wanted && this.socket === socket && this.open(), AGAIN);
    };
  }

  close() {
    this.wanted = false;
    this.socket?.close();
  }

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  // One picture, and when it was captured: milliseconds of performance.now().
  async sendPicture(blob, capturedAt) {
    const data = new Uint8Array(8 + blob.size);
    new DataView(data.buffer).setFloat64(0, this.clock.there(capturedAt));
    data.set(new Uint8Array(await blob.arrayBuffer()), 8);
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(data);
  }
}

class PhonePage {
  constructor(key) {
    this.facing = "user";
    this.awake = null;
    this.line = new Line(key, (status) => this.show(status));
    this.sender = new Sender(this.line, () => this.stop("stopped"));
    this.line.sender = this.sender;
    $("start").addEventListener("click", () => this.start());
    $("stop").addEventListener("click", () => this.stop("stopped"));
    $("turn").addEventListener("click", () => this.turn());
    // A screen that was switched off takes the lock away.
    document.addEventListener("visibilitychange", () => this.stayAwake());
    this.show(key ? "ready" : "no_key");
    onLanguage(() => this.show(this.status));
  }

  show(status) {
    this.status = status;
    const on = this.sender?.stream != null && status !== "over" && status !== "taken_over";
    $("status").textContent = t(`phone.${status}`);
    document.body.dataset.status = status;
    $("start").hidden = on || status === "no_key" || status === "over";
    $("turn").hidden = $("stop").hidden = !on;
    if (!on) this.sender?.close();
    $("screen").hidden = !on;
  }

  async open() {
    try {
      await this.sender.open({ facingMode: this.facing });
    } catch (error) {
      $("status").textContent = t(whyNoCamera(error));
      return false;
    }
    $("picture").srcObject = this.sender.stream;
    $("picture").classList.toggle("mirrored", this.facing === "user");
    await $("picture").play().catch(() => {}); // It goes out whether or not it is shown here.
    return true;
  }

  async start() {
    if (!(await this.open())) return;
    this.show("lost");
    this.line.open();
    await this.stayAwake();
  }

  async turn() {
    this.facing = this.facing === "user" ? "environment" : "user";
    await this.open();
  }

  stop(status) {
    this.line.close();
    this.sender.close();
    this.awake?.release();
    this.awake = null;
    this.show(status);
  }

  async stayAwake() {
    if (document.hidden || !this.sender.stream) return;
    try {
      this.awake = await navigator.wakeLock?.request("screen");
    } catch {
      this.awake = null; // The battery is low: the hint on the page has to do.
    }
  }
}

const key = /^#key=([\w-]+)$/.exec(location.hash)?.[1] ?? sessionStorage.getItem("phone") ?? "";
// It does not stay in the address bar, where a shared screen would show it.
history.replaceState(null, "", location.pathname);
sessionStorage.setItem("phone", key);
await loadWords();
new PhonePage(key);

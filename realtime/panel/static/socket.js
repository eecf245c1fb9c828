// The connection to the program: one socket for text and pictures, and requests with the key.

import { Clock } from "/clock.js";

const STORE = "key";
const OUTPUT = 1;
const CAMERA = 2;
const PERSON = 3;

const NAMES = { [OUTPUT]: "output", [CAMERA]: "camera", [PERSON]: "person" };

// null: there is no file.
async function decoded(jpeg) {
  return jpeg.length ? createImageBitmap(new Blob([jpeg], { type: "image/jpeg" })) : null;
}

// Key or code do not stay in the address bar, where a shared screen would show them.
function takeFromAddress(name) {
  const found = new RegExp(`^#${name}=([\\w-]+)$`).exec(location.hash);
  if (found) history.replaceState(null, "", location.pathname + location.search);
  return found?.[1] ?? "";
}

function keepKey(key) {
  // Of this tab and this origin, port included; a cookie would go to every port of this computer.
  if (key) sessionStorage.setItem(STORE, key);
  return sessionStorage.getItem(STORE) ?? "";
}

export class Link {
  // handlers: greeting(message), state(state), figures(figures), picture(kind, bitmap, matte),
  // refused(sentence), taken(ages), outputKey(key), status("open" | "lost" | "wrong key", sentence).
  constructor(handlers) {
    this.handlers = handlers;
    this.code = takeFromAddress("code");
    this.key = keepKey(takeFromAddress("key"));
    this.clock = new Clock(this);
    this.shows = {};
    this.wait = 300;
    this.socket = null;
    this.timer = 0;
    addEventListener("hashchange", () => this.follow());
  }

  // A tab that is open already is given another address of ours.
  follow() {
    const code = takeFromAddress("code");
    this.use(takeFromAddress("key"));
    if (!code || this.socket?.readyState === WebSocket.OPEN) return;
    this.code = code;
    this.socket?.close();
    this.socket = null;
    this.connect();
  }

  // Another key, from the address bar or typed in: the key itself, or an address that ends in it.
  use(text) {
    const found = /(?:^|#key=)([\w-]{20,})\s*$/.exec(text);
    if (!found || found[1] === this.key) return;
    this.key = keepKey(found[1]);
    this.code = "";
    this.socket?.close();
    this.connect();
  }

  // The key for the code of an address that is good for one use.
  async enter() {
    const headers = { Authorization: `Code ${this.code}` };
    const answer = await fetch("/enter", { method: "POST", headers });
    this.code = "";
    if (answer.ok) this.key = keepKey((await answer.json()).key);
    else this.refusal = (await answer.text()).trim();
  }

  async connect() {
    clearTimeout(this.timer);
    if (this.code) {
      try {
        await this.enter();
      } catch {
        this.again("lost");
        return;
      }
    }
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(
      `${scheme}://${location.host}/live`,
      this.key ? ["panel", `key.${this.key}`] : ["panel"],
    );
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.wait = 300;
      this.refusal = "";
      this.handlers.status("open");
      this.send({ show: this.shows });
    };
    socket.onmessage = (event) => this.receive(event.data);
    socket.onclose = () => {
      if (this.socket === socket) this.closed();
    };
    this.socket = socket;
  }

  async closed() {
    let status = "lost";
    try {
      const answer = await this.fetch("/key");
      if (answer.status === 401) status = "wrong key";
    } catch {
      // The program is gone; it may come back.
    }
    this.again(status);
  }

  again(status) {
    this.handlers.status(status, this.refusal);
    if (status === "lost") {
      this.timer = setTimeout(() => this.connect(), this.wait);
      this.wait = Math.min(this.wait * 2, 5000);
    }
  }

  receive(data) {
    if (typeof data !== "string") {
      this.show(data);
      return;
    }
    const message = JSON.parse(data);
    if (message.pong) for (const [asked, there] of message.pong) this.clock.hear(asked, there);
    if (message.taken?.length) this.handlers.taken?.(message.taken);
    if (message.output_key !== undefined) this.handlers.outputKey?.(message.output_key);
    if (message.keys) this.handlers.greeting?.(message);
    if (message.state) this.handlers.state?.(message.state);
    if (message.figures) this.handlers.figures?.(message.figures);
    if (message.refused) this.handlers.refused?.(message.refused);
  }

  async show(data) {
    const kind = new Uint8Array(data, 0, 1)[0];
    try {
      const about = kind === PERSON ? 4 : 0;
      const matteEnds = 1 + about + (about ? new DataView(data).getUint32(1) : 0);
      const [bitmap, matte] = await Promise.all([
        decoded(new Uint8Array(data, matteEnds)),
        decoded(new Uint8Array(data, 1 + about, matteEnds - 1 - about)),
      ]);
      this.handlers.picture?.(NAMES[kind], bitmap, matte);
      bitmap.close();
      matte?.close();
    } finally {
      // Only now may the next one come: a slow page gets fewer pictures, not later ones.
      this.send({ seen: kind });
    }
  }

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  // One picture of this page's webcam, and when it was captured: milliseconds of performance.now().
  async sendPicture(blob, capturedAt) {
    const data = new Uint8Array(8 + blob.size);
    new DataView(data.buffer).setFloat64(0, this.clock.there(capturedAt));
    data.set(new Uint8Array(await blob.arrayBuffer()), 8);
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(data);
  }

  do(name, value = null) {
    this.send({ do: name, value });
  }

  // Which pictures to send: {output: {width, fps}, camera: {fps}}.
  want(shows) {
    this.shows = shows;
    this.send({ show: shows });
  }

  fetch(path, options = {}) {
    const headers = { ...options.headers, Authorization: `Bearer ${this.key}` };
    return fetch(path, { ...options, headers });
  }
}

// Give a canvas the size of a picture.
export function fit(canvas, bitmap) {
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
  }
}

export function draw(canvas, bitmap) {
  fit(canvas, bitmap);
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
}

export { CAMERA, OUTPUT };

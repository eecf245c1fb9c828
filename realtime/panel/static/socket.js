// The connection to the program: one socket for text and pictures, and requests with the key.

const STORE = "key";
const OUTPUT = 1;
const CAMERA = 2;

function takeKey() {
  const found = /^#key=([\w-]+)$/.exec(location.hash);
  if (found) {
    sessionStorage.setItem(STORE, found[1]);
    // The key does not stay in the address bar, where a shared screen would show it.
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(STORE) ?? "";
}

export class Link {
  // handlers: greeting(message), state(state), figures(figures), picture(kind, bitmap),
  // refused(sentence), status("open" | "lost" | "wrong key").
  constructor(handlers) {
    this.handlers = handlers;
    this.key = takeKey();
    this.shows = {};
    this.wait = 300;
    this.socket = null;
    addEventListener("hashchange", () => {
      const key = takeKey();
      if (key !== this.key) {
        this.key = key;
        this.socket?.close();
        this.connect();
      }
    });
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(
      `${scheme}://${location.host}/live`,
      this.key ? ["panel", `key.${this.key}`] : ["panel"],
    );
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.wait = 300;
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
    this.handlers.status(status);
    if (status === "lost") {
      setTimeout(() => this.connect(), this.wait);
      this.wait = Math.min(this.wait * 2, 5000);
    }
  }

  receive(data) {
    if (typeof data !== "string") {
      this.show(data);
      return;
    }
    const message = JSON.parse(data);
    if (message.keys) this.handlers.greeting?.(message);
    if (message.state) this.handlers.state?.(message.state);
    if (message.figures) this.handlers.figures?.(message.figures);
    if (message.refused) this.handlers.refused?.(message.refused);
  }

  async show(data) {
    const kind = new Uint8Array(data, 0, 1)[0];
    try {
      const jpeg = new Blob([new Uint8Array(data, 1)], { type: "image/jpeg" });
      const bitmap = await createImageBitmap(jpeg);
      this.handlers.picture?.(kind === OUTPUT ? "output" : "camera", bitmap);
      bitmap.close();
    } finally {
      // Only now may the next one come: a slow page gets fewer pictures, not later ones.
      this.send({ seen: kind });
    }
  }

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  // One picture of this page's webcam; false if the line is busy and it was not sent.
  sendPicture(blob) {
    if (this.socket?.readyState !== WebSocket.OPEN || this.socket.bufferedAmount > 200_000) {
      return false;
    }
    this.socket.send(blob);
    return true;
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

export function draw(canvas, bitmap) {
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
  }
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
}

export { CAMERA, OUTPUT };

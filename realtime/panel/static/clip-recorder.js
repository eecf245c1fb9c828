// Recording a driving clip with this browser's webcam.

import { clockTime } from "/clip-pictures.js";
import { h } from "/dom.js";

const COUNT = 3; // Seconds to get ready.
const LONGEST = 60; // Seconds; it ends by itself then.
const KINDS = ["video/mp4;codecs=avc1,mp4a.40.2", "video/webm;codecs=vp8,opus", "video/webm"];

export class Recorder {
  // done(blob, name): takes what was recorded.
  constructor({ t, tell }, done) {
    Object.assign(this, { t, tell, done, stream: null, recording: null, timer: 0, count: 0 });
    this.button = h(
      "button",
      { type: "button", "data-t": "clip.record.open", onclick: () => this.open() },
    );
    this.video = h("video", { class: "recorder-video", "data-t-label": "clip.record.picture" });
    this.video.muted = this.video.playsInline = true;
    this.over = h("p", { class: "recorder-count", "aria-live": "assertive" });
    this.time = h("p", { class: "recorder-time", hidden: true });
    this.start = h("button", { type: "button", class: "primary", onclick: () => this.go() });
    this.sound = h("input", { type: "checkbox", checked: true, onchange: () => this.reopen() });
    this.root = h(
      "div",
      { class: "recorder", hidden: true },
      h("div", { class: "recorder-screen" }, this.video, this.over),
      this.time,
      h("p", { class: "hint", "data-t": "clip.record.hint" }),
      h(
        "div",
        { class: "bar" },
        this.start,
        h("button", { type: "button", "data-t": "clip.record.close", onclick: () => this.close() }),
        h("label", { class: "check" }, this.sound, h("span", { "data-t": "clip.record.sound" })),
      ),
    );
  }

  render() {
    this.button.hidden = this.stream !== null;
    this.root.hidden = this.stream === null;
    const key = this.recording || this.count ? "clip.record.stop" : "clip.record.start";
    this.start.textContent = this.t(key);
    this.time.hidden = !this.recording;
    this.sound.disabled = Boolean(this.recording || this.count);
  }

  async open() {
    if (!navigator.mediaDevices || !window.MediaRecorder) {
      this.tell(this.t("clip.record.insecure"));
      return;
    }
    try {
      this.stream = await this.ask(this.sound.checked);
    } catch (error) {
      const key = { NotAllowedError: "denied", NotFoundError: "none", NotReadableError: "busy" };
      this.tell(this.t(`clip.record.${key[error.name] ?? "failed"}`));
      return;
    }
    this.video.srcObject = this.stream;
    this.render();
    this.start.focus();
    await this.video.play();
  }

  // Without a microphone there is still a picture.
  async ask(sound) {
    const video = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
    try {
      return await navigator.mediaDevices.getUserMedia({ video, audio: sound });
    } catch (error) {
      if (!sound) throw error;
      const stream = await navigator.mediaDevices.getUserMedia({ video });
      this.sound.checked = false;
      this.tell(this.t("clip.record.silent"));
      return stream;
    }
  }

  async reopen() {
    this.letGo();
    await this.open();
  }

  letGo() {
    clearInterval(this.timer);
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.count = 0;
    this.over.textContent = "";
  }

  close() {
    if (this.recording) {
      this.recording.ondataavailable = null;
      this.recording.onstop = null;
      this.recording.stop();
      this.recording = null;
    }
    const open = this.stream !== null;
    this.letGo();
    this.render();
    if (open) this.button.focus();
  }

  go() {
    if (this.recording) {
      this.recording.stop();
      return;
    }
    if (this.count) {
      clearInterval(this.timer);
      this.count = 0;
      this.over.textContent = "";
      this.render();
      return;
    }
    this.count = COUNT;
    this.over.textContent = this.count;
    this.render();
    this.timer = setInterval(() => {
      this.count -= 1;
      this.over.textContent = this.count || "";
      if (!this.count) this.record();
    }, 1000);
  }

  record() {
    clearInterval(this.timer);
    const kind = KINDS.find((one) => MediaRecorder.isTypeSupported(one));
    const parts = [];
    const recording = new MediaRecorder(this.stream, { mimeType: kind, videoBitsPerSecond: 6e6 });
    recording.ondataavailable = (event) => parts.push(event.data);
    recording.onstop = () => {
      this.recording = null;
      this.letGo();
      this.render();
      const ending = recording.mimeType.includes("mp4") ? "mp4" : "webm";
      const blob = new Blob(parts, { type: recording.mimeType });
      this.done(blob, `${this.t("clip.record.name")}.${ending}`);
    };
    this.recording = recording;
    recording.start(1000);
    const began = performance.now();
    this.time.textContent = this.t("clip.record.time", { time: clockTime(0, 0) });
    this.timer = setInterval(() => {
      const seconds = (performance.now() - began) / 1000;
      this.time.textContent = this.t("clip.record.time", { time: clockTime(seconds, 0) });
      if (seconds >= LONGEST && recording.state === "recording") recording.stop();
    }, 250);
    this.render();
  }
}

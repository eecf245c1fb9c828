// This page's webcam as the camera of the run (--camera browser).

import { onLanguage, t } from "/i18n.js";
import { Pace } from "/pace.js";

const $ = (id) => document.getElementById(id);
// Why a browser gives none, by what it calls that.
const REASONS = {
  NotFoundError: "webcam.none",
  NotReadableError: "webcam.busy",
  NotAllowedError: "webcam.denied",
};
const DRIFT = 1e-4; // The webcam's clock and the page's part by less than this.

export class Webcam {
  constructor(link, tell) {
    this.link = link;
    this.tell = tell;
    this.page = null;
    this.wanted = false;
    this.stream = null;
    this.pace = new Pace(link.clock);
    this.behind = { at: 0, lag: Infinity };
    $("webcam-button").addEventListener("click", () => this.start());
    onLanguage(() => this.state && this.show(this.state));
  }

  greet(message) {
    this.wanted = message.webcam;
    this.page = message.page;
    this.pace.start();
    if (this.wanted) this.link.clock.start();
    // After the connection was lost, the same page goes on sending.
    if (this.stream) this.link.send({ webcam: true });
  }

  show(state) {
    this.state = state;
    const mine = this.stream !== null && state.camera_page === this.page;
    const chosen = !state.setup || state.setup.camera.choice === "browser";
    $("webcam").hidden = !this.wanted || !chosen || mine;
    if (this.stream !== null && !mine && state.camera_page !== null) this.stop();
    $("webcam-text").textContent =
      state.camera_page === null
        ? t("webcam.wanted")
        : t("webcam.other");
  }

  async start() {
    if (!navigator.mediaDevices) {
      this.tell(t("webcam.https"), { alarm: true });
      return;
    }
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({
        video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } },
      });
    } catch (error) {
      this.tell(t(REASONS[error.name] ?? "webcam.failed", { name: error.name }), { alarm: true });
      return;
    }
    this.link.send({ webcam: true });
    const [track] = this.stream.getVideoTracks();
    track.addEventListener("ended", () => this.stop());
    if (window.MediaStreamTrackProcessor) this.readTrack(track);
    else this.readVideo();
  }

  stop() {
    if (!this.stream) return;
    for (const track of this.stream.getTracks()) track.stop();
    this.stream = null;
    this.link.send({ webcam: false });
  }

  // Pictures have arrived, so many seconds old.
  taken(ages) {
    for (const age of ages) this.pace.taken(age, performance.now());
  }

  // Whether a picture may go to the program now; says what time it is there as long as it asks.
  ready() {
    this.link.clock.askNowAndThen();
    return this.pace.may(performance.now());
  }

  // When a frame was captured, in milliseconds of performance.now(), from its own time stamp: the
  // frame that came the quickest came at once.
  capturedAt(stamp) {
    const now = performance.now();
    const { at, lag } = this.behind;
    this.behind = { at: now, lag: Math.min(now - stamp, lag + DRIFT * (now - at)) };
    return stamp + this.behind.lag;
  }

  // A canvas that is as large as pictures may be.
  resize(canvas, width, height) {
    const scale = Math.min(1, this.pace.width / width);
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    return canvas.getContext("2d");
  }

  async send(blob, capturedAt) {
    this.pace.sent(capturedAt, performance.now());
    await this.link.sendPicture(blob, capturedAt);
  }

  // Goes on at full rate when the page is in the background.
  async readTrack(track) {
    const reader = new MediaStreamTrackProcessor({ track, maxBufferSize: 1 }).readable.getReader();
    const canvas = new OffscreenCanvas(2, 2);
    this.behind.lag = Infinity;
    while (this.stream) {
      const { done, value: frame } = await reader.read();
      if (done) break;
      const capturedAt = this.capturedAt(frame.timestamp / 1000);
      if (!this.ready()) {
        frame.close();
        continue;
      }
      const pen = this.resize(canvas, frame.displayWidth, frame.displayHeight);
      pen.drawImage(frame, 0, 0, canvas.width, canvas.height);
      frame.close();
      const { quality } = this.pace;
      await this.send(await canvas.convertToBlob({ type: "image/jpeg", quality }), capturedAt);
    }
  }

  async readVideo() {
    const video = document.createElement("video");
    video.muted = true;
    video.playsInline = true;
    video.srcObject = this.stream;
    await video.play();
    const canvas = document.createElement("canvas");
    const next = () => {
      if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(step);
      else setTimeout(step, 33);
    };
    const step = (_, frame) => {
      if (!this.stream) return;
      if (!this.ready()) {
        next();
        return;
      }
      const capturedAt = frame?.captureTime ?? performance.now();
      const pen = this.resize(canvas, video.videoWidth, video.videoHeight);
      pen.drawImage(video, 0, 0, canvas.width, canvas.height);
      canvas.toBlob(
        async (blob) => {
          if (blob) await this.send(blob, capturedAt);
          next();
        },
        "image/jpeg",
        this.pace.quality,
      );
    };
    next();
  }
}

// Sends the pictures of a camera of this browser: as many and as large as the line carries.

import { Pace } from "/pace.js";

const DRIFT = 1e-4; // The camera's clock and the page's part by less than this.

export class Sender {
  // link: {clock, sendPicture(blob, capturedAt)}; ended: called when the camera is taken away.
  constructor(link, ended) {
    this.link = link;
    this.ended = ended;
    this.stream = null;
    this.pace = new Pace(link.clock);
    this.behind = { at: 0, lag: Infinity };
  }

  // A new connection: nothing is on its way.
  connected() {
    this.pace.start();
    this.link.clock.start();
  }

  // Ask for a camera; fails as the browser does.
  async open(wish = {}) {
    const size = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } };
    const stream = await navigator.mediaDevices.getUserMedia({ video: { ...size, ...wish } });
    this.close();
    this.stream = stream;
    const [track] = stream.getVideoTracks();
    track.addEventListener("ended", () => this.stream === stream && this.ended());
    if (window.MediaStreamTrackProcessor) this.readTrack(stream, track);
    else this.readVideo(stream);
  }

  close() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
  }

  // Pictures have arrived, so many seconds old.
  taken(ages) {
    for (const age of ages) this.pace.taken(age, performance.now());
  }

  // Whether a picture may go now; asks what time it is there as long as pictures go.
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
  async readTrack(stream, track) {
    const reader = new MediaStreamTrackProcessor({ track, maxBufferSize: 1 }).readable.getReader();
    const canvas = new OffscreenCanvas(2, 2);
    this.behind.lag = Infinity;
    while (this.stream === stream) {
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

  async readVideo(stream) {
    const video = document.createElement("video");
    video.muted = true;
    video.playsInline = true;
    video.srcObject = stream;
    await video.play();
    const canvas = document.createElement("canvas");
    const next = () => {
      if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(step);
      else setTimeout(step, 33);
    };
    const step = (_, frame) => {
      if (this.stream !== stream) return;
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

// What to tell a person whose browser gives no camera.
export function whyNoCamera(error) {
  if (!navigator.mediaDevices) return "webcam.https";
  return { NotAllowedError: "webcam.denied", NotFoundError: "webcam.none" }[error?.name]
    ?? "webcam.busy";
}

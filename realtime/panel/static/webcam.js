// This page's webcam as the camera of the run (--camera browser).

const $ = (id) => document.getElementById(id);
const QUALITY = 0.85;

export class Webcam {
  constructor(link, tell) {
    this.link = link;
    this.tell = tell;
    this.page = null;
    this.wanted = false;
    this.stream = null;
    $("webcam-button").addEventListener("click", () => this.start());
  }

  greet(message) {
    this.wanted = message.webcam;
    this.page = message.page;
    // After the connection was lost, the same page goes on sending.
    if (this.stream) this.link.send({ webcam: true });
  }

  show(state) {
    const mine = this.stream !== null && state.camera_page === this.page;
    $("webcam").hidden = !this.wanted || mine;
    if (this.stream !== null && !mine && state.camera_page !== null) this.stop();
    $("webcam-text").textContent =
      state.camera_page === null
        ? "This run takes the webcam of a browser."
        : "Another page's webcam is in use.";
  }

  async start() {
    if (!navigator.mediaDevices) {
      this.tell("A browser gives its webcam only to https pages and to this computer's own.");
      return;
    }
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({
        video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } },
      });
    } catch (error) {
      this.tell(`The browser gives no webcam (${error.name}); allow it in the address bar.`);
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

  // Goes on at full rate when the page is in the background.
  async readTrack(track) {
    const reader = new MediaStreamTrackProcessor({ track, maxBufferSize: 1 }).readable.getReader();
    const canvas = new OffscreenCanvas(2, 2);
    while (this.stream) {
      const { done, value: frame } = await reader.read();
      if (done) break;
      canvas.width = frame.displayWidth;
      canvas.height = frame.displayHeight;
      canvas.getContext("2d").drawImage(frame, 0, 0);
      frame.close();
      this.link.sendPicture(await canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY }));
    }
  }

  async readVideo() {
    const video = document.createElement("video");
    video.muted = true;
    video.playsInline = true;
    video.srcObject = this.stream;
    await video.play();
    const canvas = document.createElement("canvas");
    const step = () => {
      if (!this.stream) return;
      canvas.width = video.videoWidth;
      canvas.height = video.videoHeight;
      canvas.getContext("2d").drawImage(video, 0, 0);
      canvas.toBlob(
        (blob) => {
          if (blob) this.link.sendPicture(blob);
          if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(step);
          else setTimeout(step, 33);
        },
        "image/jpeg",
        QUALITY,
      );
    };
    step();
  }
}

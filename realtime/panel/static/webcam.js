// This page's webcam as the camera of the run.

import { onLanguage, t } from "/i18n.js";
import { Sender, whyNoCamera } from "/sender.js";

const $ = (id) => document.getElementById(id);

export class Webcam {
  constructor(link, tell) {
    this.link = link;
    this.tell = tell;
    this.page = null;
    this.state = null;
    this.taker = false; // Whether the run can take a page's webcam at all.
    this.seen = false; // Whether the run has had this page's webcam since it began to send.
    this.sender = new Sender(link, () => this.stop());
    $("webcam-button").addEventListener("click", () => this.start());
    onLanguage(() => this.state && this.show(this.state));
  }

  greet(message) {
    this.taker = message.webcam;
    this.page = message.page;
    if (this.taker) this.sender.connected();
    // After the connection was lost, the same page goes on sending.
    if (this.sender.stream) this.link.send({ webcam: true });
  }

  taken(ages) {
    this.sender.taken(ages);
  }

  // Whether this page's webcam is the camera of the run.
  get mine() {
    return this.sender.stream !== null && this.state?.camera_page === this.page;
  }

  show(state) {
    this.state = state;
    const chosen = state.setup ? state.setup.camera.choice === "browser" : this.taker;
    if (this.mine && chosen) this.seen = true;
    // Somebody has chosen another camera, or the webcam of another page.
    if (this.sender.stream && this.seen && !(this.mine && chosen)) this.stop();
    $("webcam").hidden = !chosen || this.mine || state.camera_page === "phone";
    $("webcam-text").textContent = t(
      state.camera_page === null ? "webcam.wanted" : "webcam.other",
    );
  }

  // Ask the browser for its webcam and make it the camera; whether that went well.
  async start() {
    try {
      await this.sender.open();
    } catch (error) {
      this.tell(t(whyNoCamera(error)), { alarm: true });
      return false;
    }
    this.seen = false;
    if (this.state?.setup) this.link.do("camera", "browser");
    this.link.send({ webcam: true });
    return true;
  }

  stop() {
    if (!this.sender.stream) return;
    this.sender.close();
    this.link.send({ webcam: false });
  }
}

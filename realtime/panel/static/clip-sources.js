// Steps 1 and 2 of a clip: the photo and the driving clip, chosen, dropped or recorded.

import { clearPicture, clockTime, refusal, showPicture } from "/clip-pictures.js";
import { h } from "/dom.js";
import { Recorder } from "/clip-recorder.js";

// Send a file, and tell how much of it has gone; fetch() cannot tell that.
function upload(link, path, file, name, told) {
  return new Promise((done, failed) => {
    const sending = new XMLHttpRequest();
    sending.open("POST", path);
    sending.setRequestHeader("Authorization", `Bearer ${link.key}`);
    sending.setRequestHeader("X-Name", encodeURIComponent(name));
    sending.upload.onprogress = (event) => told(event.loaded / (event.total || event.loaded || 1));
    sending.onload = () => done(new Response(sending.response, { status: sending.status }));
    sending.onerror = failed;
    sending.send(file);
  });
}

class Step {
  constructor(number, name, context) {
    Object.assign(this, context);
    this.sending = null;
    this.refused = "";
    this.lying = null;
    this.image = h("img", { class: "source-picture", alt: "", hidden: true });
    this.title = h("p", { class: "source-name" });
    this.line = h("p", { class: "hint", role: "status" });
    this.meter = h("progress", { max: 1, hidden: true, "data-t-label": `clip.${name}.meter` });
    this.buttons = h("div", { class: "bar" });
    this.root = h(
      "section",
      { class: `clip-step clip-${name}`, "aria-labelledby": `clip-${name}-title` },
      h(
        "h2",
        { id: `clip-${name}-title` },
        h("span", { class: "step-number", "aria-hidden": "true" }, number),
        h("span", { "data-t": `clip.${name}.title` }),
      ),
      h(
        "div",
        { class: "source" },
        h("div", { class: "source-frame" }, this.image),
        h("div", { class: "source-words" }, this.title, this.line, this.meter),
      ),
      this.buttons,
    );
  }

  chooser(name, accept) {
    const input = h("input", { type: "file", accept, hidden: true });
    input.addEventListener("change", () => {
      if (input.files.length) this.take(input.files[0], input.files[0].name);
      input.value = "";
    });
    const button = h(
      "button",
      { type: "button", "data-t": `clip.${name}.choose`, onclick: () => input.click() },
    );
    this.choose = button;
    return [button, input];
  }

  async send(path, limit, file, name) {
    this.refused = "";
    if (limit && file.size > limit) {
      this.refused = this.t("clip.too-large", { most: Math.round(limit / 1e6) });
      this.render();
      return;
    }
    this.sending = { name, share: 0 };
    this.render();
    try {
      const answer = await upload(this.link, path, file, name, (share) => {
        this.sending.share = share;
        this.render();
      });
      if (answer.status !== 201) this.refused = (await refusal(answer)) || this.t("clip.not-sent");
    } catch {
      this.refused = this.t("clip.not-sent");
    }
    this.sending = null;
    this.render();
  }

  // A sentence under the name, and how far it is: null where nothing is on its way.
  progress(looking) {
    if (this.sending) return [this.t("clip.sending"), this.sending.share];
    if (this.refused) return [this.refused, null];
    if (this.lying?.state === "refused") return [this.lying.reason, null];
    if (this.lying?.state === "looking") return [looking, this.share()];
    return [null, null];
  }

  renderWords(name, looking, ready) {
    const [words, share] = this.progress(looking);
    const wrong = Boolean(!this.sending && (this.refused || this.lying?.state === "refused"));
    this.title.textContent = this.sending?.name ?? this.lying?.name ?? this.t(`clip.${name}.none`);
    this.title.classList.toggle("dim", !this.sending && !this.lying);
    set(this.line, words ?? (this.lying ? ready : this.t(`clip.${name}.hint`)));
    this.line.classList.toggle("wrong", wrong);
    this.meter.hidden = share === null;
    // Without a value it moves to and fro.
    if (share > 0) this.meter.value = share;
    else this.meter.removeAttribute("value");
    const busy = Boolean(this.sending || this.lying);
    this.choose.classList.toggle("primary", !busy);
  }
}

function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export class PhotoStep extends Step {
  constructor(context) {
    super("1", "photo", context);
    this.faces = h("ul", { class: "faces", "data-t-label": "clip.photo.avatars" });
    this.known = "";
    this.buttons.append(...this.chooser("photo", "image/*,.heic,.heif,.avif"));
    this.root.append(h("p", { class: "hint", "data-t": "clip.photo.avatars" }), this.faces);
  }

  share() {
    return 0;
  }

  take(file, name) {
    return this.send("/clips/photo", this.limit, file, name);
  }

  show(state) {
    this.limit = state.clips.limits.photo;
    const before = this.lying;
    this.lying = state.clips.photo;
    if (this.lying && this.lying.id !== before?.id) this.refused = "";
    if (!this.lying || this.lying.state !== "ready") clearPicture(this.image);
    else if (before?.id !== this.lying.id || before.state !== "ready") {
      showPicture(this.link, this.image, `/clips/material/${this.lying.id}/thumbnail`);
    }
    this.showAvatars(state.avatars);
    this.render();
  }

  showAvatars(avatars) {
    const usable = avatars.filter((one) => one.state !== "refused" && one.picture);
    const known = JSON.stringify(usable.map((one) => [one.id, one.picture]));
    this.faces.hidden = this.faces.previousSibling.hidden = !usable.length;
    if (known === this.known) return;
    this.known = known;
    this.faces.replaceChildren(...usable.map((one) => this.faceOf(one)));
  }

  faceOf(avatar) {
    const image = h("img", { alt: "", hidden: true });
    showPicture(this.link, image, `/thumbnails/${avatar.id}`);
    const use = async () => {
      this.refused = "";
      const answer = await this.link.fetch("/clips/avatar", {
        method: "POST",
        body: JSON.stringify({ id: avatar.id }),
      });
      if (!answer.ok) this.tell((await refusal(answer)) || this.t("clip.not-sent"));
    };
    const label = { "aria-label": avatar.name, title: avatar.name };
    return h("li", {}, h("button", { type: "button", class: "face-button", onclick: use, ...label }, image));
  }

  render() {
    const turned = this.lying?.turned;
    const ready = turned ? this.t("clip.photo.turned", { by: turned }) : this.t("clip.photo.ready");
    this.renderWords("photo", this.t("clip.photo.looking"), ready);
  }
}

export class VideoStep extends Step {
  constructor(context) {
    super("2", "video", context);
    this.recorder = new Recorder(context, (blob, name) => this.take(blob, name));
    this.buttons.append(...this.chooser("video", "video/*,.mkv,.gif,.avi,.ts"), this.recorder.button);
    this.root.append(this.recorder.root);
  }

  share() {
    return this.lying.total ? this.lying.done / this.lying.total : 0;
  }

  take(file, name) {
    return this.send("/clips/video", this.limit, file, name);
  }

  show(state) {
    this.limit = state.clips.limits.video;
    const before = this.lying;
    this.lying = state.clips.video;
    if (this.lying && this.lying.id !== before?.id) this.refused = "";
    if (!this.lying || this.lying.state === "refused") clearPicture(this.image);
    else {
      // The first picture is there soon after the look has begun.
      const path = `/clips/material/${this.lying.id}/frames/0`;
      const seen = this.lying.state === "ready" || this.lying.done > 0;
      if (seen && this.image.dataset.path !== path) showPicture(this.link, this.image, path);
    }
    this.render();
  }

  render() {
    const long = this.lying ? clockTime(this.lying.seconds) : "";
    const ready = this.t("clip.video.ready", { length: long });
    this.renderWords("video", this.t("clip.video.looking"), ready);
    this.recorder.render();
  }
}

// The tab "Make a clip": a photo, a driving clip, choices; below them what was made.

import { Choices } from "/clip-choices.js";
import { Jobs } from "/clip-jobs.js";
import { PhotoStep, VideoStep } from "/clip-sources.js";
import { h } from "/dom.js";
import { onLanguage, translate } from "/i18n.js";

export class ClipPart {
  constructor(root, context) {
    this.root = root;
    this.open = false;
    this.photo = new PhotoStep(context);
    this.video = new VideoStep(context);
    this.choices = new Choices(context, () => this.jobs.reveal());
    this.jobs = new Jobs(context, (job) => {
      this.choices.want(job.choices);
      context.link.do("clips.reuse", job.id);
      this.photo.root.scrollIntoView({ block: "nearest" });
    });
    this.drop = h("div", { class: "drop", hidden: true }, h("p", { "data-t": "clip.drop" }));
    root.append(
      h(
        "div",
        { class: "clip" },
        h("div", { class: "clip-steps" }, this.photo.root, this.video.root, this.choices.root),
        h("div", { class: "clip-side" }, this.choices.preview),
      ),
      this.jobs.root,
      this.drop,
    );
    translate(root);
    onLanguage(() => this.render());
    this.watchDrops();
  }

  show(state) {
    // A program without this part, or before it has told anything.
    this.root.classList.toggle("absent", !state.clips);
    if (!state.clips) return;
    this.photo.show(state);
    this.video.show(state);
    this.choices.show(state);
    this.jobs.show(state);
  }

  render() {
    for (const part of [this.photo, this.video, this.choices, this.jobs]) part.render();
  }

  entered() {
    this.open = true;
  }

  left() {
    this.open = false;
    this.drop.hidden = true;
    this.video.recorder.close();
    this.jobs.player.stop();
  }

  // Files that are dropped while this tab is open are for a clip, and for nothing else.
  watchDrops() {
    const holdsFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    let depth = 0;
    const watch = (name, act) => {
      const listener = (event) => {
        if (!this.open || !holdsFiles(event)) return;
        event.stopImmediatePropagation();
        event.preventDefault();
        act(event);
        this.drop.hidden = depth === 0;
      };
      addEventListener(name, listener, { capture: true });
    };
    watch("dragenter", () => (depth += 1));
    watch("dragleave", () => (depth = Math.max(depth - 1, 0)));
    watch("dragover", () => {});
    watch("drop", (event) => {
      depth = 0;
      this.take([...event.dataTransfer.files]);
    });
  }

  take(files) {
    const isPhoto = (file) => file.type.startsWith("image/") && file.type !== "image/gif";
    const named = /\.(heic|heif|avif|jpe?g|png|webp|bmp|tiff?)$/i;
    const photo = files.find((file) => isPhoto(file) || named.test(file.name));
    const video = files.find((file) => file !== photo && !isPhoto(file) && !named.test(file.name));
    if (photo) this.photo.take(photo, photo.name);
    if (video) this.video.take(video, video.name);
  }
}

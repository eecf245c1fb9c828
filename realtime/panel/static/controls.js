// Buttons, switches and sliders: what they send, and what the program says they are set to.

const $ = (id) => document.getElementById(id);

export class Controls {
  constructor(link) {
    this.link = link;
    this.asked = false;
    this.held = new Map();
    for (const button of document.querySelectorAll("[data-do]")) {
      const value = button.dataset.value;
      button.addEventListener("click", () => {
        link.do(button.dataset.do, value === undefined ? null : JSON.parse(value));
      });
    }
    for (const button of document.querySelectorAll("[data-switch]")) {
      button.addEventListener("click", () => link.do(button.dataset.switch));
    }
    for (const button of document.querySelectorAll("[data-hold]")) this.hold(button);
    for (const slider of document.querySelectorAll("[data-slider]")) this.slide(slider);
    for (const button of document.querySelectorAll("[data-key]")) {
      const key = document.createElement("kbd");
      key.textContent = shown(button.dataset.key);
      key.ariaHidden = "true";
      button.append(key);
      button.setAttribute("aria-keyshortcuts", shown(button.dataset.key));
    }
    $("ask").addEventListener("close", () => {
      link.do("confirm", $("ask").returnValue === "yes");
      $("ask").returnValue = "";
    });
    $("quit-button").addEventListener("click", () => $("quit").showModal());
    $("quit").addEventListener("close", () => {
      if ($("quit").returnValue === "yes") link.do("quit");
      $("quit").returnValue = "";
    });
  }

  // Held down with pointer or keyboard; let go in any way, it ends.
  hold(button) {
    const name = button.dataset.hold;
    const set = (on) => {
      if (this.held.get(name) === on) return;
      this.held.set(name, on);
      this.link.do(name, on);
    };
    button.addEventListener("pointerdown", (event) => {
      button.setPointerCapture(event.pointerId);
      set(true);
    });
    for (const end of ["pointerup", "pointercancel", "blur"]) {
      button.addEventListener(end, () => this.held.get(name) && set(false));
    }
    button.addEventListener("keydown", (event) => {
      if ((event.key === " " || event.key === "Enter") && !event.repeat) set(true);
    });
    button.addEventListener("keyup", (event) => {
      if (event.key === " " || event.key === "Enter") set(false);
    });
  }

  slide(slider) {
    const name = slider.dataset.slider;
    slider.addEventListener("input", () => {
      mark(slider, Number(slider.value));
      this.link.do(name, Number(slider.value));
    });
    slider.addEventListener("dblclick", () => {
      if (name !== "overlay") this.link.do(name, 1);
    });
  }

  show(state) {
    const { settings, tuning } = state;
    const on = {
      ...settings,
      ...{ auto_framing: settings.framing.auto, relative: tuning.relative },
      ...{ freeze: state.frozen, record: state.recording !== null, badge: state.badge },
      ...{ pass_through: state.pass_through, search: state.searching },
    };
    for (const button of document.querySelectorAll("[data-switch]")) {
      button.ariaPressed = String(Boolean(on[button.dataset.switch]));
    }
    document.querySelector("[data-hold=hide]").ariaPressed = String(state.hidden);
    for (const slider of document.querySelectorAll("[data-slider]")) {
      const name = slider.dataset.slider;
      const usable = name === "overlay" || state.sliders.includes(name);
      const value = name === "overlay" ? settings.overlay : tuning[name];
      slider.disabled = !usable;
      slider.closest("label").classList.toggle("off", !usable);
      if (document.activeElement !== slider || Number(slider.value) !== value) slider.value = value;
      mark(slider, value);
    }
    const missing = state.sliders.length < 5;
    $("slider-note").hidden = !missing;
    $("slider-note").textContent = tuning.relative
      ? "This backend has no more sliders: its keypoints know no eyes and no mouth."
      : "Strengths are for relative motion; absolute motion takes your face as it is.";
    const current = state.avatars.find((avatar) => avatar.id === state.current);
    $("motion-of").textContent = current ? `kept for ${current.name}` : "";
    this.showChips(state);
    this.ask(state.asking);
  }

  showChips(state) {
    const chips = [];
    if (state.pass_through) chips.push(["Your real face is shown", true]);
    if (state.hidden) chips.push(["Hidden: back soon", false]);
    if (state.frozen) chips.push(["Frozen", false]);
    if (state.recording) chips.push([`Recording ${state.recording}`, true]);
    const text = JSON.stringify(chips);
    if (text === this.chips) return;
    this.chips = text;
    $("chips").replaceChildren(
      ...chips.map(([words, alarm]) => {
        const chip = document.createElement("li");
        chip.textContent = words;
        chip.classList.toggle("alarm", alarm);
        return chip;
      }),
    );
  }

  ask(asking) {
    if (asking && !$("ask").open) $("ask").showModal();
    if (!asking && $("ask").open) $("ask").close();
  }
}

function mark(slider, value) {
  const text = `${Math.round(value * 100)} %`;
  slider.closest("label").querySelector("output").textContent = text;
  slider.setAttribute("aria-valuetext", text);
}

export function shown(key) {
  if (key === "Escape") return "Esc";
  if (/^[A-Z]$/.test(key)) return `Shift+${key}`;
  return key.length === 1 ? key.toUpperCase() : key;
}

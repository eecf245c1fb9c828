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
      if (slider.dataset.usual !== undefined) this.link.do(name, Number(slider.dataset.usual));
    });
    // While it is held, what the program says is older than where it stands.
    slider.addEventListener("pointerdown", () => (slider.dataset.held = ""));
    for (const end of ["pointerup", "pointercancel", "blur"]) {
      slider.addEventListener(end, () => delete slider.dataset.held);
    }
  }

  // The strengths that this backend has; made when the list is another one than before.
  showSliders(sliders) {
    const names = JSON.stringify(sliders.map((one) => one.name));
    if (names !== this.names) {
      this.names = names;
      $("sliders").replaceChildren(...sliders.map((one) => this.makeSlider(one)));
    }
    for (const one of sliders) {
      const slider = document.querySelector(`[data-slider="${one.name}"]`);
      slider.disabled = !one.usable;
      slider.closest("label").classList.toggle("off", !one.usable);
      place(slider, one.value);
    }
    $("slider-note").hidden = sliders.every((one) => one.usable);
  }

  makeSlider({ name, label, least, most, usual, help }) {
    const row = document.createElement("label");
    row.className = "slider";
    row.title = help;
    const slider = document.createElement("input");
    Object.assign(slider, { type: "range", min: least, max: most, step: (most - least) / 40 });
    Object.assign(slider.dataset, { slider: name, usual });
    row.append(`${label} `, document.createElement("output"), slider);
    this.slide(slider);
    return row;
  }

  show(state) {
    const { settings } = state;
    const on = {
      ...settings,
      ...{ auto_framing: settings.framing.auto, relative: state.relative },
      ...{ freeze: state.frozen, record: state.recording !== null, badge: state.badge },
      ...{ pass_through: state.pass_through, search: state.searching, lock: state.locked },
    };
    for (const button of document.querySelectorAll("[data-switch]")) {
      button.ariaPressed = String(Boolean(on[button.dataset.switch]));
    }
    document.querySelector("[data-hold=hide]").ariaPressed = String(state.hidden);
    place(document.querySelector("[data-slider=overlay]"), settings.overlay);
    this.showSliders(state.sliders);
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

function place(slider, value) {
  if (slider.dataset.held !== undefined) return;
  slider.value = value;
  mark(slider, value);
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

// The tabs: one part of the page at a time, kept in the address as its name.

export class Tabs {
  // parts: tab name to {entered?(), left?()}.
  constructor(list, parts) {
    this.tabs = [...list.querySelectorAll("[role=tab]")];
    this.parts = parts;
    this.current = null;
    for (const tab of this.tabs) {
      tab.addEventListener("click", () => this.open(tab.dataset.tab));
      tab.addEventListener("keydown", (event) => this.step(event, tab));
    }
    addEventListener("hashchange", () => this.fromAddress());
    if (!this.fromAddress()) this.open("live");
  }

  fromAddress() {
    const name = location.hash.slice(1);
    if (!this.tabs.some((tab) => tab.dataset.tab === name)) return false;
    this.open(name);
    return true;
  }

  open(name) {
    if (name === this.current) return;
    this.parts[this.current]?.left?.();
    this.current = name;
    for (const tab of this.tabs) {
      const on = tab.dataset.tab === name;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
      document.getElementById(`tab-${tab.dataset.tab}`).hidden = !on;
    }
    document.body.dataset.tab = name;
    history.replaceState(null, "", name === "live" ? location.pathname : `#${name}`);
    this.parts[name]?.entered?.();
    dispatchEvent(new Event("resize"));
  }

  step(event, tab) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    const at = this.tabs.indexOf(tab);
    const next = this.tabs[(at + by + this.tabs.length) % this.tabs.length];
    this.open(next.dataset.tab);
    next.focus();
  }
}

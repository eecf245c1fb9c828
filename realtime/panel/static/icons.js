// Small drawings in the colour of the text, 24 units wide: fonts lack such letters on many systems.

const SVG = "http://www.w3.org/2000/svg";

const LINES = {
  browser: "M4 5h16v11H4zM9 20h6M12 16v4",
  phone: "M8 3h8a1 1 0 0 1 1 1v16a1 1 0 0 1-1 1H8a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1zM11 18h2",
  nothing: "M12 4a8 8 0 1 1 0 16 8 8 0 0 1 0-16zM6.5 17.5l11-11",
  camera: "M4 7h11v10H4zM15 11l5-3v8l-5-3",
  obs: "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1",
  recording: "M12 4a8 8 0 1 1 0 16 8 8 0 0 1 0-16zM12 9a3 3 0 1 1 0 6 3 3 0 0 1 0-6z",
};

LINES.none = LINES.nothing;

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", "aria-hidden": "true" })) {
    svg.setAttribute(key, value);
  }
  svg.classList.add("icon");
  path.setAttribute("d", LINES[name]);
  svg.append(path);
  return svg;
}

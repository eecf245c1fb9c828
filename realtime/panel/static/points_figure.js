// A small drawn face that shows where a point belongs.

const SVG = "http://www.w3.org/2000/svg";

// In a figure 100 wide and 120 high.
const PLACES = {
  left_eye_outer: [24, 48],
  left_eye_inner: [41, 49],
  right_eye_inner: [59, 49],
  right_eye_outer: [76, 48],
  left_upper_lid: [32, 43],
  left_lower_lid: [32, 53],
  right_upper_lid: [68, 43],
  right_lower_lid: [68, 53],
  nose: [50, 68],
  mouth_left: [35, 86],
  mouth_middle: [50, 85],
  mouth_right: [65, 86],
  chin: [50, 112],
  forehead: [50, 10],
  left_cheek: [11, 62],
  right_cheek: [89, 62],
};

const SHAPES = [
  "M50 8 C22 8 10 32 10 60 C10 92 32 114 50 114 C68 114 90 92 90 60 C90 32 78 8 50 8 Z",
  "M23 48 Q32 38 42 49 Q32 57 23 48 Z",
  "M58 49 Q68 38 77 48 Q68 57 58 49 Z",
  "M47 52 Q44 66 44 70 Q50 74 56 70 Q56 66 53 52",
  "M34 86 Q42 82 50 85 Q58 82 66 86 Q50 96 34 86 Z",
];

function shape(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

export class Figure {
  constructor() {
    this.root = shape("svg", { viewBox: "0 0 100 122", class: "points-figure", "aria-hidden": "true" });
    for (const d of SHAPES) this.root.append(shape("path", { d }));
    this.mark = shape("circle", { r: 6 });
    this.root.append(this.mark);
  }

  show(name) {
    const [x, y] = PLACES[name];
    this.mark.setAttribute("cx", x);
    this.mark.setAttribute("cy", y);
  }
}

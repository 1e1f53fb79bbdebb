// Controls of the reward weights: one slider for two rewards, a triangle and a slider each for three, sliders for more.

import { drawing } from "./svg.js";

const PERCENT = 100;
const CORNERS = [[150, 20], [20, 245], [280, 245]];

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  Object.assign(made, attributes);
  made.append(...children);
  return made;
}

// Hundredths that sum to 100, so that near positions share mixed weights.
function rounded(weights) {
  const total = weights.reduce((sum, weight) => sum + weight, 0) || 1;
  const parts = weights.map((weight) => Math.round((PERCENT * weight) / total));
  const largest = parts.indexOf(Math.max(...parts));
  parts[largest] += PERCENT - parts.reduce((sum, part) => sum + part, 0);
  return parts.map((part) => part / PERCENT);
}

function range(label, valueText) {
  const input = element("input", { type: "range", min: 0, max: PERCENT });
  const output = element("output");
  const row = element("label", { className: "slider" }, element("span", { textContent: label }), input, output);
  const show = (value) => {
    input.value = Math.round(value * PERCENT);
    output.textContent = valueText(value);
    input.setAttribute("aria-valuetext", output.textContent);
  };
  return { row, input, show, value: () => input.value / PERCENT };
}

// One slider: its right end is all of the second reward.
function balance(names, changed) {
  const part = (name, value) => `${name} ${Math.round(PERCENT * value)} %`;
  const slider = range("Trade-off", (value) => `${part(names[0], 1 - value)}, ${part(names[1], value)}`);
  const labels = names.map((name) => element("span", { textContent: name }));
  const ends = element("div", { className: "ends", ariaHidden: "true" }, ...labels);
  slider.input.before(ends);
  slider.input.addEventListener("input", () => changed([1 - slider.value(), slider.value()]));
  return { nodes: [slider.row], show: (weights) => slider.show(weights[1]) };
}

// A slider each: the others keep their proportions.
function sliders(names, changed) {
  let current = [];
  const rows = names.map((name, index) => {
    const slider = range(name, (value) => `${Math.round(PERCENT * value)} %`);
    slider.input.addEventListener("input", () => {
      const rest = 1 - current[index];
      const left = 1 - slider.value();
      changed(current.map((weight, i) => {
        if (i === index) return slider.value();
        return rest > 0 ? (weight * left) / rest : left / (names.length - 1);
      }));
    });
    return slider;
  });
  const show = (weights) => {
    current = weights;
    rows.forEach((row, index) => row.show(weights[index]));
  };
  return { nodes: rows.map((row) => row.row), show };
}

// Barycentric coordinates of a point, pulled into the triangle.
function weightsAt(x, y) {
  const [[ax, ay], [bx, by], [cx, cy]] = CORNERS;
  const area = (by - cy) * (ax - cx) + (cx - bx) * (ay - cy);
  const first = ((by - cy) * (x - cx) + (cx - bx) * (y - cy)) / area;
  const second = ((cy - ay) * (x - cx) + (ax - cx) * (y - cy)) / area;
  return [first, second, 1 - first - second].map((weight) => Math.max(weight, 0));
}

// For pointers; the sliders below it do the same for keyboards and screen readers.
function triangle(names, changed) {
  const svg = drawing("svg", { viewBox: "0 0 300 270", class: "triangle", "aria-hidden": "true" });
  const dot = drawing("circle", { r: 10 });
  svg.append(drawing("path", { d: `M${CORNERS.map((corner) => corner.join(" ")).join("L")}Z` }));
  names.forEach((name, index) => {
    const [x, y] = CORNERS[index];
    const place = { x, y: index ? y + 22 : y - 8, "text-anchor": ["middle", "start", "end"][index] };
    svg.append(drawing("text", place, name));
  });
  svg.append(dot);
  const steer = (event) => {
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    changed(weightsAt(place.x, place.y));
  };
  svg.addEventListener("pointerdown", (event) => {
    event.preventDefault(); // Or the browser selects text on the way.
    svg.setPointerCapture(event.pointerId);
    steer(event);
  });
  svg.addEventListener("pointermove", (event) => event.buttons && steer(event));
  const show = (weights) => {
    const at = (axis) => weights.reduce((sum, weight, i) => sum + weight * CORNERS[i][axis], 0);
    dot.setAttribute("cx", at(0));
    dot.setAttribute("cy", at(1));
  };
  return { nodes: [svg], show };
}

// Fills `container` with controls for the rewards `names`. `changed` is called when a person moves one.
export function steering(container, names, changed) {
  let weights = rounded(names.map(() => 1));
  const set = (next) => {
    weights = rounded(next);
    controls.forEach((control) => control.show(weights));
  };
  const moved = (next) => {
    set(next);
    changed();
  };
  const kinds = { 0: [], 1: [], 2: [balance], 3: [triangle, sliders] }[names.length] ?? [sliders];
  const controls = kinds.map((kind) => kind(names, moved));
  container.replaceChildren(...controls.flatMap((control) => control.nodes));
  set(weights);
  return { weights: () => weights, set };
}

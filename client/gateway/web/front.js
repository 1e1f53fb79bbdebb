// The points of an exploration as a picture: the front in colour, every point to be chosen by pointer or keyboard.

import { drawing } from "./svg.js";

const MOST_WIDTH = 600;
const HEIGHT = 360;
const MARGIN = 44;

function words(point) {
  return point.result.summary.split(/\s+/).filter(Boolean).length;
}

// What is drawn against what: two objectives, or, without a reference, the first weight and the length.
function axesOf(objectives, names) {
  if (objectives.length >= 2) {
    const axis = (name) => ({ label: name.replaceAll("_", " "), of: (point) => point.scores[name] });
    return objectives.slice(0, 2).map(axis);
  }
  const first = (point) => point.result.weighting.weights[0] ?? 0;
  return [{ label: `weight of ${names[0] ?? "nothing"}`, of: first }, { label: "words", of: words }];
}

function scale(values, low, high) {
  const least = Math.min(...values);
  const span = Math.max(...values) - least || 1;
  return (value) => low + ((value - least) / span) * (high - low);
}

// The least and the largest value of an axis, at their places.
function ends(values, place) {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return (least < most ? [least, most] : [least]).map((value) => {
    const text = Number.isInteger(value) ? String(value) : value.toFixed(1);
    return drawing("text", { ...place(value), class: "tick" }, text);
  });
}

function describe(point, axes, best) {
  const values = axes.map((axis) => `${axis.label} ${axis.of(point).toFixed(1)}`).join(", ");
  return `${best ? "On the front: " : ""}${values}`;
}

// Arrow keys walk from left to right, Enter and space choose.
function onKey(event, circles, choose) {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  const index = circles.indexOf(event.target);
  if (step) {
    event.preventDefault();
    circles[(index + step + circles.length) % circles.length].focus();
  } else if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    choose(index);
  }
}

// Draws `points` into `container`; `chosen(point)` is called when a person picks one.
export function drawFront(container, { points, front, objectives, names, chosen }) {
  const axes = axesOf(objectives, names);
  const width = Math.min(MOST_WIDTH, container.clientWidth || MOST_WIDTH);
  const x = scale(points.map(axes[0].of), MARGIN, width - MARGIN);
  const y = scale(points.map(axes[1].of), HEIGHT - MARGIN, MARGIN);
  const place = (point) => [x(axes[0].of(point)), y(axes[1].of(point))];
  const sorted = [...points].sort((a, b) => axes[0].of(a) - axes[0].of(b));
  const isBest = (point) => front.includes(point.index);

  const svg = drawing("svg", {
    viewBox: `0 0 ${width} ${HEIGHT}`,
    class: "plot",
    role: "group",
    "aria-label": `${points.length} weightings: ${axes[1].label} against ${axes[0].label}`,
  });
  svg.append(
    drawing("line", { x1: MARGIN - 12, x2: width, y1: HEIGHT - MARGIN / 2, y2: HEIGHT - MARGIN / 2, class: "axis" }),
    drawing("line", { x1: MARGIN - 12, x2: MARGIN - 12, y1: 20, y2: HEIGHT - MARGIN / 2, class: "axis" }),
    drawing("text", { x: width / 2, y: HEIGHT - 4, "text-anchor": "middle" }, `${axes[0].label} →`),
    drawing("text", { x: 4, y: 14 }, `↑ ${axes[1].label}`),
    ...ends(points.map(axes[0].of), (value) => ({ x: x(value), y: HEIGHT - 4, "text-anchor": "middle" })),
    ...ends(points.map(axes[1].of), (value) => ({ x: MARGIN - 16, y: y(value) + 4, "text-anchor": "end" })),
    drawing("polyline", { points: sorted.filter(isBest).map((point) => place(point).join()).join(" ") }),
  );
  const circles = sorted.map((point, index) => {
    const [cx, cy] = place(point);
    const circle = drawing("circle", {
      ...{ cx, cy, r: 7, role: "button", tabindex: index ? -1 : 0 },
      "aria-pressed": false,
      "aria-label": describe(point, axes, isBest(point)),
    });
    circle.classList.toggle("best", isBest(point));
    circle.append(drawing("title", {}, point.result.summary));
    return circle;
  });
  const choose = (index) => {
    circles.forEach((circle, i) => {
      circle.setAttribute("aria-pressed", i === index);
      circle.setAttribute("tabindex", i === index ? 0 : -1);
    });
    chosen(sorted[index]);
  };
  circles.forEach((circle, index) => circle.addEventListener("click", () => choose(index)));
  svg.addEventListener("keydown", (event) => circles.includes(event.target) && onKey(event, circles, choose));
  svg.append(...circles);
  container.replaceChildren(svg);
}

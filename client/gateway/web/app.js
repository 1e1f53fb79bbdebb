// The page: what is asked of the gateway, and where answers go.
import * as api from "./api.js";
import { drawFront } from "./front.js";
import { watch } from "./live.js";
import { steering } from "./steer.js";

const at = (id) => document.getElementById(id);
const PAUSE_MS = 80; // Between two requests while a slider moves.
const AGAIN_MS = 2000; // Until a server that was away is asked once more.
const OPTIONS = { no_repeat_ngram_size: 2 };
const EXAMPLE =
  "Tidepool is a fast, standards compliant parser for CSV files, written in C, with an interface for Python. It is up " +
  "to thirty times as fast as others. Rows can be read one at a time, so that files may be larger than memory. Numbers " +
  "and dates are recognised by their form, and what cannot be read is reported with its line. It needs no other " +
  "libraries, and no configuration.";

let info = null;
let weights = null;
let running = null; // Ends the request under way.
let pending = 0; // The timer of the next one.
let shown = null; // The last whole result.

const names = () => info.rewards.map((reward) => reward.name);
const token = () => at("token").value.trim();

// The slider moves the share beta of the reference evenly, as steps of alpha itself are felt near its least value only.
function alphaOf(share) {
  if (info.mixing !== "softmdp" || info.alpha_min >= 1) return info.alpha_floor + share * (1 - info.alpha_floor);
  return share >= 1 ? 1 : Math.max(info.alpha_floor, info.alpha_min / (1 - share * (1 - info.alpha_min)));
}

function shareOf(alpha) {
  if (info.mixing !== "softmdp" || info.alpha_min >= 1) return (alpha - info.alpha_floor) / (1 - info.alpha_floor || 1);
  return (alpha - info.alpha_min) / (alpha * (1 - info.alpha_min));
}

function showAlpha() {
  const text = `alpha ${alphaOf(at("alpha").value / 100).toFixed(3)}`;
  at("alpha-value").textContent = text;
  at("alpha").setAttribute("aria-valuetext", text);
}

const isAway = (error) => [undefined, 499, 502, 503, 504].includes(error.status);

function askForToken(error) {
  if (error.status === 401) at("access").open = true;
}

function steer() {
  if (info.rewards.length === 0) return {};
  const fixed = info.mixing === "fixed";
  return { weights: weights.weights(), ...(fixed ? {} : { alpha: alphaOf(at("alpha").value / 100) }) };
}

function weightingText(weighting) {
  const parts = weighting.weights.map((weight, i) => `${names()[i]} ${Math.round(100 * weight)} %`);
  return [...parts, `alpha ${weighting.alpha.toFixed(2)}`].join(", ");
}

function show(result) {
  shown = result;
  at("summary").textContent = result.summary;
  at("pin").disabled = false;
  const milliseconds = 1000 * Number.parseFloat(result.timings?.first_token ?? "0");
  const cache = result.cache.replace("CACHE_OUTCOME_", "").toLowerCase();
  const latency = `first token after ${milliseconds.toFixed(0)} ms`;
  at("about").textContent = `${weightingText(result.weighting)} · ${cache} · ${latency}`;
}

async function summarize() {
  const article = at("article").value;
  running?.abort();
  at("error").textContent = "";
  if (!info || !article.trim()) return;
  const mine = (running = new AbortController());
  let text = "";
  at("summary").setAttribute("aria-busy", "true");
  try {
    await api.summarize({ article, steering: steer(), options: OPTIONS }, {
      token: token(),
      signal: mine.signal,
      onEvent: (name, data) => {
        if (name === "result") return show(data);
        text += data.text;
        at("summary").textContent = text;
      },
    });
  } catch (error) {
    if (!mine.signal.aborted) complain(error, mine);
  }
  if (running === mine) at("summary").setAttribute("aria-busy", "false");
}

// A server that is away is asked again until it is back, unless something else is asked first.
function complain(error, mine) {
  askForToken(error);
  at("error").textContent = isAway(error) ? `${error.message} Trying again …` : error.message;
  if (isAway(error)) setTimeout(() => running === mine && summarize(), AGAIN_MS);
}

function soon() {
  if (pending) return;
  pending = setTimeout(() => {
    pending = 0;
    summarize();
  }, PAUSE_MS);
}

function pin() {
  const item = document.createElement("li");
  const text = document.createElement("p");
  const about = document.createElement("p");
  const remove = document.createElement("button");
  text.textContent = shown.summary;
  about.textContent = weightingText(shown.weighting);
  about.className = "about";
  Object.assign(remove, { type: "button", className: "plain", textContent: "Remove" });
  remove.setAttribute("aria-label", `Remove: ${about.textContent}`);
  remove.addEventListener("click", () => {
    item.remove();
    at("pins-section").hidden = at("pins").children.length === 0;
    at("pin").focus();
  });
  item.append(about, text, remove);
  at("pins").append(item);
  at("pins-section").hidden = false;
}

function choose(point) {
  weights.set(point.result.weighting.weights);
  at("alpha").value = Math.round(100 * shareOf(point.result.weighting.alpha));
  showAlpha();
  running?.abort();
  show(point.result);
  at("chosen").textContent = point.result.summary;
  at("chosen-about").textContent = weightingText(point.result.weighting);
}

function gridOf() {
  const divisions = { 1: 1, 2: 10, 3: 5 }[info.rewards.length] ?? 2;
  return info.mixing === "fixed" || info.rewards.length === 0 ? { divisions } : { divisions, alpha_sweep: 3 };
}

async function explore() {
  const points = [];
  let front = { points: [], objectives: [] };
  if (!at("article").value.trim()) {
    at("explored").textContent = "There is no article yet.";
    return;
  }
  at("explore").disabled = true;
  try {
    const text = { article: at("article").value, reference: at("reference").value };
    await api.explore({ ...text, grid: gridOf(), options: OPTIONS }, {
      token: token(),
      onEvent: (name, data) => {
        if (name === "front") front = data;
        if (name === "point") points.push(data);
        at("explored").textContent = `${points.length} summaries`;
      },
    });
    const best = front.points.length ? `, ${front.points.length} on the front` : "";
    at("explored").textContent = `${points.length} summaries${best}`;
  } catch (error) {
    at("explored").textContent = error.message;
  }
  if (points.length) {
    at("found").hidden = false;
    at("chosen").textContent = "Choose a point to read its summary.";
    at("chosen-about").textContent = "";
    const { points: best, objectives } = front;
    drawFront(at("front"), { points, front: best, objectives, names: names(), chosen: choose });
  }
  at("explore").disabled = false;
}

function addPresets() {
  at("presets").replaceChildren(...info.presets.map((preset) => {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "plain", textContent: preset.name, title: preset.description });
    button.addEventListener("click", () => {
      weights.set(preset.weights);
      at("alpha").value = Math.round(100 * shareOf(preset.alpha));
      showAlpha();
      soon();
    });
    return button;
  }));
}

async function start() {
  try {
    info = await api.model(token());
  } catch (error) {
    askForToken(error);
    at("model").textContent = `${error.message} Trying again …`;
    setTimeout(start, AGAIN_MS);
    return;
  }
  at("model").textContent = `${info.name} (${info.variant}, ${info.precision}) · trimtabd ${info.server_version}`;
  weights = steering(at("weights"), names(), soon);
  at("alpha-row").hidden = info.rewards.length === 0 || info.mixing === "fixed";
  at("alpha").value = Math.round(100 * shareOf(info.default_alpha));
  at("explore").disabled = info.rewards.length === 0;
  showAlpha();
  addPresets();
  soon();
}

at("alpha").addEventListener("input", () => {
  showAlpha();
  soon();
});
at("article").addEventListener("input", soon);
at("example").addEventListener("click", () => {
  at("article").value = EXAMPLE;
  soon();
});
at("token").addEventListener("change", soon);
at("pin").addEventListener("click", pin);
at("explore").addEventListener("click", explore);
start();
watch({ facts: at("facts"), curves: at("curves") }, token);

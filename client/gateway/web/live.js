// The panel of the server: version and throughput, asked every other second, and a trainer's rewards by version.
import * as api from "./api.js";
import { drawing } from "./svg.js";

const EVERY_MS = 2000;
const WIDTH = 560;
const HEIGHT = 160;
const MARGIN = 36;

const percent = (part, whole) => (whole > 0 ? `${Math.round((100 * part) / whole)} %` : "–");
const megabytes = (bytes) => `${Math.round(bytes / 1e6)} MB`;
const nameOf = ({ epoch, sequence }) => `${epoch}/${sequence}`;

// What the panel says of `now`; rates are since `last`.
function facts(now, last) {
  const { metrics } = now;
  const said = [["Version", nameOf(now.parameter_version)]];
  if (metrics.generated_tokens_total === undefined) return said;
  const grown = (name) => (last?.metrics[name] === undefined ? 0 : Math.max(0, metrics[name] - last.metrics[name]));
  const seconds = last ? now.seconds - last.seconds : 0;
  const rate = seconds > 0 ? grown("generated_tokens_total") / seconds : 0;
  const found = metrics.mix_cache_hits_total + metrics.mix_coalesced_total;
  return [
    ...said,
    ["Throughput", `${rate.toFixed(0)} tokens/s`],
    ["Requests", `${metrics.requests_running} running, ${metrics.requests_waiting} waiting`],
    ["Cache hits", percent(found, found + metrics.mix_cache_misses_total)],
    ["Mixtures", `${metrics.mix_cache_entries}, ${megabytes(metrics.mix_cache_bytes)}`],
  ];
}

function list(pairs) {
  return pairs.map(([name, value]) => {
    const pair = document.createElement("div");
    const term = document.createElement("dt");
    const text = document.createElement("dd");
    term.textContent = name;
    text.textContent = value;
    pair.append(term, text);
    return pair;
  });
}

// The mean reward of each objective while each version was served, as lines over the versions in their order.
function curves(history) {
  const versions = [...history.values()];
  const names = Object.keys(versions.at(-1).sums);
  const mean = (version, name) => (version.sums[name] ?? 0) / version.count;
  const values = versions.flatMap((version) => names.map((name) => mean(version, name)));
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const x = (index) => MARGIN + (index * (WIDTH - 5 * MARGIN)) / Math.max(1, versions.length - 1);
  const y = (value) => HEIGHT - MARGIN - ((value - least) / (most - least || 1)) * (HEIGHT - 2 * MARGIN);
  const latest = names.map((name) => `${name} ${mean(versions.at(-1), name).toFixed(2)}`);
  const svg = drawing("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    class: "curves",
    role: "img",
    "aria-label": `Rewards over ${versions.length} versions, now ${latest.join(", ")}`,
  });
  names.forEach((name, line) => {
    const places = versions.map((version, index) => [x(index), y(mean(version, name))]);
    const [endX, endY] = places.at(-1);
    svg.append(
      drawing("polyline", { points: places.map((place) => place.join()).join(" "), class: `line-${line % 4}` }),
      drawing("circle", { cx: endX, cy: endY, r: 3, class: `line-${line % 4}` }),
      drawing("text", { x: endX + 8, y: endY + 4 }, latest[line]),
    );
  });
  const ends = versions.length > 1 ? [versions[0], versions.at(-1)] : [versions[0]];
  ends.forEach(({ name }, end) => {
    const middle = { x: x(end * (versions.length - 1)), y: HEIGHT - 8, "text-anchor": "middle" };
    svg.append(drawing("text", middle, `version ${name}`));
  });
  return svg;
}

// Fills both elements for as long as the page is open; `token()` is the one to ask with.
export function watch({ facts: terms, curves: picture }, token) {
  const history = new Map(); // Of each version that was seen: sums of its rewards, and of how many looks.
  let last = null;
  const remember = ({ parameter_version, rewards }) => {
    const name = nameOf(parameter_version);
    const version = history.get(name) ?? { name, sums: {}, count: 0 };
    for (const [reward, value] of Object.entries(rewards)) version.sums[reward] = (version.sums[reward] ?? 0) + value;
    version.count += 1;
    history.set(name, version);
    picture.replaceChildren(curves(history));
  };
  const look = async () => {
    try {
      const now = await api.live(token());
      terms.replaceChildren(...list(facts(now, last)));
      if (Object.keys(now.rewards).length > 0) remember(now);
      last = now;
    } catch {
      terms.replaceChildren(...list([["Version", "not reached"]]));
    }
  };
  const next = async () => {
    if (document.visibilityState === "visible") await look();
    setTimeout(next, EVERY_MS);
  };
  next();
}

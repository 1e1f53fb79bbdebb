// trimtabd and trimtab-gateway as they are built, on free ports of 127.0.0.1.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));
const build = process.env.TRIMTAB_BUILD ?? join(root, "build/dev");
export const pilot = join(root, "deploy/models/debian-pilot");
export const article = readFileSync(join(root, "deploy/demo-article.txt"), "utf8");
export const scratch = mkdtempSync(join(tmpdir(), "trimtab-web-"));

const running = new Set();

// Starts a program that prints one line `listening name=HOST:PORT ...`; gives these by name, and `stop`.
async function start(program, ...flags) {
  const child = spawn(join(build, program), flags, { stdio: ["ignore", "pipe", "inherit"] });
  running.add(child);
  const stop = async () => {
    if (!running.delete(child) || child.exitCode !== null) return;
    child.kill("SIGTERM");
    await once(child, "exit");
  };
  const [line] = await Promise.race([once(createInterface(child.stdout), "line"), once(child, "exit")]);
  if (!String(line).startsWith("listening ")) throw new Error(`${program} did not start`);
  const addresses = Object.fromEntries(line.split(" ").slice(1).map((word) => word.split("=")));
  return { ...addresses, stop };
}

export function server({ model = pilot, listen = "127.0.0.1:0", flags = [] } = {}) {
  const quiet = ["--drain-accept-seconds", "0", "--log-level", "warning", "--threads", "1"];
  const where = ["--listen", listen, "--metrics-listen", "127.0.0.1:0"];
  return start("server/trimtabd", "--model", model, ...where, ...quiet, ...flags);
}

export function gateway(server, ...flags) {
  return start("client/gateway/trimtab-gateway", "--server", server.grpc, "--listen", "127.0.0.1:0", ...flags);
}

// debian-pilot with a third reward, "plain": what the reference does.
export function threeRewards() {
  const folder = join(scratch, "three");
  cpSync(pilot, folder, { recursive: true });
  copyFileSync(join(folder, "reference.safetensors"), join(folder, "conditioned/plain.safetensors"));
  const { digest, ...clp } = JSON.parse(readFileSync(join(folder, "clp.json"), "utf8"));
  const rewards = [...clp.rewards, { name: "plain", range: [0, 1] }];
  writeFileSync(join(folder, "clp.json"), JSON.stringify({ ...clp, presets: {}, rewards }));
  return folder;
}

// debian-pilot with its rewards' weights exchanged: another version of the same model.
export function swapped() {
  const folder = join(scratch, "swapped");
  cpSync(pilot, folder, { recursive: true });
  copyFileSync(join(pilot, "conditioned/brief.safetensors"), join(folder, "conditioned/full.safetensors"));
  copyFileSync(join(pilot, "conditioned/full.safetensors"), join(folder, "conditioned/brief.safetensors"));
  const { digest, ...clp } = JSON.parse(readFileSync(join(folder, "clp.json"), "utf8"));
  writeFileSync(join(folder, "clp.json"), JSON.stringify(clp));
  return folder;
}

export async function publish(folder, server) {
  const child = spawn(join(build, "client/trimtab"), ["publish", folder, "--server", server.grpc, "--holder", "web"], { stdio: "ignore" });
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`trimtab publish ${folder} ended with ${code}`);
}

// What of a trainer the page sees: the rewards on its /metrics.
export async function trainer() {
  let page = "";
  const http = createServer((request, reply) => reply.end(page));
  http.listen(0, "127.0.0.1").unref();
  await once(http, "listening");
  const line = ([name, value]) => `trimtab_trainer_reward{objective="${name}"} ${value}\n`;
  const rewards = (values) => { page = Object.entries(values).map(line).join(""); };
  return { address: `127.0.0.1:${http.address().port}`, rewards };
}

export async function stopAll() {
  for (const child of [...running]) {
    child.kill("SIGTERM");
    await once(child, "exit");
  }
  rmSync(scratch, { recursive: true, force: true });
}

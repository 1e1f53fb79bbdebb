// Headless Chromium: a page for each scenario, watched for errors and for requests that leave the gateway.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { scratch } from "./programs.mjs";

const modules = createRequire(join(process.env.TRIMTAB_WEB_MODULES, "package.json"));
const { chromium } = modules("playwright-core");
const axe = modules.resolve("axe-core/axe.min.js");
const pictures = process.env.TRIMTAB_WEB_PICTURES;
mkdirSync(pictures, { recursive: true });

const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];

export async function browser() {
  return chromium.launchPersistentContext(join(scratch, "profile"), {
    executablePath: process.env.TRIMTAB_CHROMIUM ?? "/usr/bin/chromium",
    args: flags,
    viewport: { width: 1180, height: 900 },
  });
}

// Runs `scenario` on the page at `url`. Errors on the console fail it, but for those that match `expected`.
export async function visit(context, url, scenario, { expected = /^$/, width = 1180, height = 900, dark = false } = {}) {
  const page = await context.newPage();
  const wrong = [];
  page.on("console", (line) => {
    if (["error", "warning"].includes(line.type()) && !expected.test(line.text())) wrong.push(line.text());
  });
  page.on("pageerror", (error) => wrong.push(error.stack));
  page.on("request", (request) => {
    if (!request.url().startsWith(url)) wrong.push(`asks elsewhere: ${request.url()}`);
  });
  page.setDefaultTimeout(10000);
  await page.setViewportSize({ width, height });
  await page.emulateMedia({ colorScheme: dark ? "dark" : "light", reducedMotion: "reduce" });
  try {
    await page.goto(url);
    await scenario(page);
    assert.deepEqual(wrong, []);
  } finally {
    await page.close();
  }
}

export function picture(page, name) {
  return page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
}

// Findings of axe that are serious or critical; none is what a page should have. The page's policy keeps scripts that are not the
// gateway's out, and the debugger is not bound by it.
export async function seriousFindings(page) {
  await page.evaluate(readFileSync(axe, "utf8"));
  const found = await page.evaluate(() => globalThis.axe.run());
  return found.violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
}

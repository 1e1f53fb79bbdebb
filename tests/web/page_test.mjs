// What a person does on the page, one scenario after the other; ./dev web runs it.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { browser, picture, seriousFindings, visit } from "./browser.mjs";
import { article, gateway, pilot, publish, scratch, server, stopAll, swapped, threeRewards, trainer } from "./programs.mjs";

let context;
let url; // Of a page before a server with two rewards.

const open = (scenario, options) => visit(context, url, scenario, options);
const addressOf = (door) => `http://${door.http}/`;

// The page waits a little before it asks, so "written" is: there is text, all of it, and what it is about.
async function written(page) {
  await page.waitForFunction(() => {
    const summary = document.getElementById("summary");
    return summary.textContent && summary.ariaBusy === "false" && document.getElementById("about").textContent;
  });
  return page.locator("#summary").textContent();
}

async function paste(page, text = article.replaceAll("\n", " ")) {
  await page.locator("#weights input").first().waitFor();
  await page.locator("#article").fill(text);
  return written(page);
}

// Waits for the summary of the weighting that `text` names.
async function steeredTo(page, text) {
  await page.locator("#about").getByText(text).waitFor();
  return written(page);
}

async function explored(page) {
  await page.getByRole("button", { name: "Explore all weightings" }).click();
  await page.locator("#front svg").waitFor();
}

before(async () => {
  const behind = await server();
  url = addressOf(await gateway(behind, "--metrics", behind.metrics));
  context = await browser();
});

after(async () => {
  await context?.close();
  await stopAll();
});

test("it loads, says what is served and waits for an article", () => open(async (page) => {
  await page.getByText("debian-pilot (attn, float32)").waitFor();
  assert.equal(await page.locator("#summary").textContent(), "");
  await picture(page, "loaded");
}));

test("a pasted article is summarised, with the weighting, the cache and the time to the first token", () => open(async (page) => {
  assert.match(await paste(page), /\w/);
  const about = await page.locator("#about").textContent();
  assert.match(about, /brief 50 %, full 50 %, alpha 0\.10 · (hit|miss|shared|basis) · first token after \d+ ms/);
}));

test("the summary streams in, piece by piece", () => open(async (page) => {
  await page.evaluate(() => {
    globalThis.lengths = [];
    const summary = document.getElementById("summary");
    const note = () => globalThis.lengths.push(summary.textContent.length);
    new MutationObserver(note).observe(summary, { childList: true });
  });
  const summary = await paste(page);
  const lengths = await page.evaluate(() => [...new Set(globalThis.lengths)].filter((length) => length > 0));
  assert.ok(lengths.length >= 2, `grew through ${lengths}`);
  assert.deepEqual(lengths, [...lengths].sort((a, b) => a - b));
  assert.equal(lengths.at(-1), summary.length);
}));

test("dragging the slider steers: few requests, and the text at its end is the weighting's own", () => open(async (page) => {
  const before = await paste(page);
  let asked = 0;
  page.on("request", () => asked++);
  const { x, y, width, height } = await page.locator("#weights input").boundingBox();
  await page.mouse.move(x + width / 2, y + height / 2);
  await page.mouse.down();
  for (let step = 1; step <= 50; ++step) await page.mouse.move(x + width / 2 + (step * width) / 100, y + height / 2);
  await page.mouse.up();
  await steeredTo(page, "brief 0 %, full 100 %, alpha 0.10");
  assert.notEqual(await written(page), before);
  assert.ok(asked < 50, `${asked} requests`);
}));

test("arrow keys and presets steer too", () => open(async (page) => {
  await paste(page);
  await page.locator("#weights input").focus();
  await page.keyboard.press("ArrowRight");
  await steeredTo(page, "brief 49 %, full 51 %, alpha 0.10");
  await page.locator("#alpha").focus();
  await page.keyboard.press("End");
  await steeredTo(page, "brief 49 %, full 51 %, alpha 1.00");
  await page.getByRole("button", { name: "concise" }).press("Enter");
  await steeredTo(page, "brief 100 %, full 0 %, alpha 0.10");
}));

test("summaries are pinned side by side and taken away again", () => open(async (page) => {
  await paste(page);
  for (const preset of ["concise", "detailed"]) {
    await page.getByRole("button", { name: preset }).click();
    await steeredTo(page, preset === "concise" ? "brief 100 %" : "full 100 %");
    await page.getByRole("button", { name: "Pin" }).click();
  }
  const pins = page.locator("#pins li");
  assert.equal(await pins.count(), 2);
  const [first, second] = await Promise.all([pins.nth(0).boundingBox(), pins.nth(1).boundingBox()]);
  assert.equal(first.y, second.y);
  await page.getByRole("button", { name: /^Remove: brief 100/ }).click();
  assert.equal(await pins.count(), 1);
  await page.getByRole("button", { name: /^Remove/ }).click();
  assert.equal(await page.locator("#pins-section").isVisible(), false);
}));

test("exploring draws every weighting; one is chosen by pointer or by keys and steers", () => open(async (page) => {
  await paste(page);
  await explored(page);
  assert.equal(await page.locator("#front circle").count(), 23); // 11 weightings at 2 alphas, and alpha = 1.
  await page.locator("#front circle").first().focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  const chosen = page.locator('#front circle[aria-pressed="true"]');
  assert.equal(await page.locator("#summary").textContent(), await chosen.locator("title").textContent());
  await page.locator("#front circle").last().click();
  const summary = await chosen.locator("title").textContent();
  assert.equal(await page.locator("#summary").textContent(), summary);
  assert.equal(await page.locator("#chosen").textContent(), summary);
}));

test("against a reference the front is marked", () => open(async (page) => {
  await paste(page);
  await page.locator("#reference").fill("fast CSV parser for Python with dates");
  await explored(page);
  await page.getByText(/\d+ summaries, \d+ on the front/).waitFor();
  assert.ok((await page.locator("#front circle.best").count()) > 0);
  await page.locator("#front circle.best").first().click();
  await picture(page, "explored");
}));

test("three rewards have a triangle to drag and a slider each", async () => {
  const door = await gateway(await server({ model: threeRewards() }));
  await visit(context, addressOf(door), async (page) => {
    await paste(page);
    const { x, y, width, height } = await page.locator(".triangle").boundingBox();
    await page.mouse.move(x + width / 2, y + height / 2);
    await page.mouse.down();
    await page.mouse.move(x + 5, y + height - 5, { steps: 10 });
    await page.mouse.up();
    await steeredTo(page, "brief 0 %, full 100 %, plain 0 %");
    await page.getByLabel("plain").press("End");
    await steeredTo(page, "brief 0 %, full 0 %, plain 100 %");
    assert.equal(await page.evaluate(() => String(getSelection())), ""); // Dragging selects no text.
    assert.deepEqual(await seriousFindings(page), []);
    await picture(page, "triangle");
  });
});

test("it says when the server is away and goes on by itself once it is back", async () => {
  const first = await server();
  const door = await gateway(first, "--timeout-seconds", "1");
  await visit(context, addressOf(door), async (page) => {
    await paste(page);
    const before = await page.locator("#about").textContent();
    await first.stop();
    await page.getByRole("button", { name: "concise" }).click();
    await page.locator("#error:not(:empty)").waitFor();
    await picture(page, "away");
    const second = await server({ listen: first.grpc });
    assert.match(before, /brief 50 %/);
    await steeredTo(page, "brief 100 %, full 0 %");
    assert.equal(await page.locator("#error").textContent(), "");
    await second.stop();
  }, { expected: /status of (499|50[34])/ });
});

test("a wrong token is told, the right one goes on", async () => {
  const tokens = join(scratch, "tokens");
  writeFileSync(tokens, "infer reader-reader-reader\n", { mode: 0o600 });
  const door = await gateway(await server({ flags: ["--tokens", tokens] }));
  await visit(context, addressOf(door), async (page) => {
    await page.getByLabel(/Bearer token/).fill("someone-else-entirely");
    await page.locator("#model").getByText(/token/).waitFor();
    await picture(page, "token");
    await page.getByLabel(/Bearer token/).fill("reader-reader-reader");
    await page.getByText("debian-pilot (attn, float32)").waitFor();
    await paste(page);
  }, { expected: /status of 401/ });
});

test("the live panel counts what the server does", () => open(async (page) => {
  await paste(page);
  await page.locator("#live").getByText(/[1-9][0-9.]* tokens\/s/).waitFor();
  assert.match(await page.locator("#live").textContent(), /Version0\/0/);
}));

test("while a trainer publishes, its rewards are drawn by version", async () => {
  const [served, trains] = [await server(), await trainer()];
  const door = await gateway(served, "--metrics", `${served.metrics},${trains.address}`);
  await visit(context, addressOf(door), async (page) => {
    trains.rewards({ brief: 0.25, full: 0.5 });
    await page.getByRole("img", { name: /Rewards over 1 versions, now brief 0.25, full 0.50/ }).waitFor();
    await publish(swapped(), served);
    trains.rewards({ brief: 0.75, full: 0.5 });
    await page.getByRole("img", { name: /Rewards over 2 versions, now brief 0\.[2-7]/ }).waitFor();
    await publish(pilot, served);
    await page.getByRole("img", { name: /Rewards over 3 versions, now brief 0.75/ }).waitFor();
    await page.getByRole("button", { name: "Take an example" }).click();
    await written(page);
    await page.locator("#facts").getByText(/[1-9][0-9]* tokens\/s/).waitFor();
    assert.deepEqual(await seriousFindings(page), []);
    await picture(page, "training");
  });
});

for (const dark of [false, true]) {
  const theme = dark ? "dark" : "light";
  test(`axe has no serious findings, ${theme}`, () => open(async (page) => {
    await paste(page);
    for (const [preset, weighting] of [["concise", "brief 100 %"], ["balanced", "brief 50 %"], ["detailed", "full 100 %"]]) {
      await page.getByRole("button", { name: preset }).click();
      await steeredTo(page, weighting);
      await page.getByRole("button", { name: "Pin" }).click();
    }
    await page.locator("#reference").fill("fast CSV parser for Python with dates");
    await explored(page);
    await page.getByText(/on the front/).waitFor();
    await page.locator("#front circle.best").first().click();
    assert.deepEqual(await seriousFindings(page), []);
    await picture(page, theme);
  }, { dark }));
}

test("everything fits the width of a phone, and can be hit with a thumb", () => open(async (page) => {
  await paste(page);
  await page.getByRole("button", { name: "Pin" }).click();
  await explored(page);
  await picture(page, "phone");
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
  for (const button of await page.getByRole("button").all()) {
    if ((await button.evaluate((node) => node.localName)) !== "button") continue; // Points of the picture are near others.
    assert.ok((await button.boundingBox()).height >= 36, await button.textContent());
  }
}, { width: 360, height: 740 }));

// SPDX-License-Identifier: Apache-2.0
// Pages for the browser tests: runs of the program, record files of the tests' own, and a headless
// Chromium that collects whatever goes wrong in them.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { require } from "./modules.mjs";

const { chromium } = require("playwright-core");

export const program = process.env.LACONIC_PROGRAM;
export const work = mkdtempSync(join(tmpdir(), "laconic-report-"));
const shots = process.env.LACONIC_SHOTS ?? join(work, "shots");
mkdirSync(shots, { recursive: true });

export function laconic(args, { status = 0 } = {}) {
  const result = spawnSync(program, args, { cwd: work, encoding: "utf8" });
  if (result.status !== status) {
    throw new Error(
      `laconic ${args.join(" ")}: ${result.status}\n${result.stdout}${result.stderr}`,
    );
  }
  return result;
}

export const configuration = (name) => fileURLToPath(new URL(name, import.meta.url));

// A folder with these lines as records.jsonl; the last one is followed by `end`.
export function recordFolder(name, lines, end = "\n") {
  const folder = join(work, name);
  mkdirSync(folder, { recursive: true });
  const texts = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line)));
  writeFileSync(join(folder, "records.jsonl"), texts.join("\n") + end);
  return folder;
}

export const header = (name, methods, more = {}) => ({
  schema: 3,
  seed: 1,
  version: "0.1.0",
  compiler: "c",
  simd_target: "s",
  ranks: 1,
  transport: "threads",
  command: `laconic run ${name}.toml`,
  config: {
    name,
    seed: 1,
    repeats: 1,
    workers: 4,
    problem: "p",
    data: null,
    network: null,
    sweep: null,
    method: methods.map((method) => ({ name: method, workers: 4, adversary: "none", until: null })),
    ...more,
  },
});

export const record = (method, round, loss, more = {}) => ({
  method,
  spec: "spec",
  repeat: 0,
  round,
  epoch: round / 10,
  loss,
  objective: null,
  grad_norm2: loss * loss,
  density: 0.5,
  uplink: { payload_bits: 32 * round, wire_bits: 40 * round, frame_bytes: 9 * round },
  downlink: { payload_bits: 32 * round, wire_bits: 40 * round, frame_bytes: 9 * round },
  network: { latency_steps: 2 * round, link_bytes: 1000 * round },
  step_size: 0.1,
  seconds: { gradient: round, aggregate: 0, order: 0, other: 0, gradient_per_worker: round },
  ...more,
});

const profile = mkdtempSync(join(tmpdir(), "laconic-chromium-"));
let context = null;

export async function startBrowser() {
  context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.LACONIC_CHROMIUM,
    headless: true,
    args: [
      "--headless=new",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-background-networking",
      "--no-first-run",
      "--disable-quic",
      "--disable-component-update",
      "--disable-sync",
    ],
    viewport: { width: 1280, height: 900 },
  });
  context.setDefaultTimeout(20000);
}

export async function stopBrowser() {
  await context?.close();
  rmSync(profile, { recursive: true, force: true });
  rmSync(work, { recursive: true, force: true });
}

// A tab with the page of a run, whose `complaints` are console errors, exceptions, dialogs and requests
// out of the page.
export async function open(address, options = {}) {
  const tab = await openFile(address, options);
  await tab.page.waitForSelector("#main-chart canvas");
  return tab;
}

// The same with any file.
export async function openFile(address, { viewport, colorScheme = "light" } = {}) {
  const page = await context.newPage();
  const complaints = [];
  const url = address.startsWith("http") ? address : pathToFileURL(address).href;
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("request", (request) => {
    if (
      request.url() !== url &&
      !request.url().startsWith("data:") &&
      !address.startsWith("http")
    ) {
      complaints.push(`request: ${request.url()}`);
    }
  });
  await page.emulateMedia({ colorScheme });
  if (viewport) await page.setViewportSize(viewport);
  await page.goto(url);
  return { page, complaints };
}

export async function shot(page, name, options = {}) {
  await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true, ...options });
}

// After the next frame: sliders draw no sooner.
export const drawn = (page) =>
  page.evaluate(
    () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))),
  );

// A checksum of a chart's pixels, to see that a control changes the picture.
export async function picture(page, chart = "#main-chart") {
  const pixels = await page.$eval(`${chart} canvas`, (canvas) => canvas.toDataURL());
  return createHash("sha256").update(pixels).digest("hex");
}

// The texts of a column of the table; none if there is no such column.
export async function columnOf(page, heading) {
  const heads = await page.$$eval("#table thead th", (all) => all.map((one) => one.textContent));
  const place = heads.indexOf(heading);
  return place < 0
    ? []
    : page.$$eval(
        "#table tbody tr",
        (rows, i) => rows.map((row) => row.children[i].textContent),
        place,
      );
}

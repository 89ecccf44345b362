// SPDX-License-Identifier: Apache-2.0
// A chart of a page of `laconic report` as a file, drawn by the page itself in a headless Chromium:
//
//   node figure.mjs REPORT.html FIGURE.svg [KEY=VALUE]...
//
// metric, axis, meter: as the keys of the page's selects; log-x, log-y: yes or no; methods: names with
// semicolons between them (default: all); chart: main-chart, order-chart, power-chart, snr-chart or
// vote-chart; width: in pixels. LACONIC_CHROMIUM names another browser than /usr/bin/chromium.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const DEFAULTS = { chart: "main-chart", width: "800" };

async function choose(page, wanted) {
  for (const id of ["metric", "axis", "meter"]) {
    if (wanted[id]) await page.selectOption(`#${id}`, wanted[id]);
  }
  for (const id of ["log-x", "log-y"]) {
    if (wanted[id]) await page.setChecked(`#${id}`, wanted[id] === "yes");
  }
  if (!wanted.methods) return;
  await page.click("#none");
  for (const name of wanted.methods.split(";")) {
    const item = page
      .locator("#method-list li")
      .filter({ has: page.locator(".name").getByText(name, { exact: true }) });
    if ((await item.count()) !== 1) throw new Error(`the page has no method '${name}'`);
    await item.locator("input").check();
  }
}

async function save(page, wanted, to) {
  await page.mouse.move(0, 0); // what the pointer is near is highlighted
  await page.setViewportSize({ width: 1100, height: 900 });
  const svg = await page.evaluate(
    ([id, width]) => document.getElementById(id).chart.svg(width),
    [wanted.chart, Number(wanted.width)],
  );
  writeFileSync(to, svg);
}

const [report, figure, ...pairs] = process.argv.slice(2);
if (!report || !figure || pairs.some((pair) => !pair.includes("="))) {
  console.error("usage: node figure.mjs REPORT.html FIGURE.svg [KEY=VALUE]...");
  process.exit(2);
}
const wanted = { ...DEFAULTS };
for (const pair of pairs) wanted[pair.split("=", 1)[0]] = pair.slice(pair.indexOf("=") + 1);

const profile = mkdtempSync(join(tmpdir(), "laconic-figure-"));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.LACONIC_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"],
  colorScheme: "light",
});
try {
  const page = await context.newPage();
  await page.goto(pathToFileURL(resolve(report)).href);
  await page.waitForSelector("#main-chart canvas");
  await choose(page, wanted);
  await save(page, wanted, figure);
} finally {
  await context.close();
  rmSync(profile, { recursive: true, force: true });
}

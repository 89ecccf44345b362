// SPDX-License-Identifier: Apache-2.0
// From what vite built to bundle.html: a policy that lets the page run its own script and nothing
// else, by the script's checksum, and the checks that embedding relies on. `--compare` changes
// nothing and fails if bundle.html is another one.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";

const MARK = "LACONIC-DATA-BELONGS-HERE";
const here = (name) => new URL(name, import.meta.url);

function fail(text) {
  console.error(`report: ${text}`);
  process.exit(1);
}

const built = readFileSync(here("dist/index.html"), "utf8");
const scripts = [...built.matchAll(/<script type="module"[^>]*>([\s\S]*?)<\/script>/g)];
if (scripts.length !== 1) fail(`${scripts.length} module scripts were built; one is expected`);
const hash = createHash("sha256").update(scripts[0][1]).digest("base64");
const policy =
  `default-src 'none'; script-src 'sha256-${hash}'; style-src 'unsafe-inline'; ` +
  "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'";
const bundle =
  built
    .replace(
      "<meta charset",
      () => `<meta http-equiv="Content-Security-Policy" content="${policy}">\n    <meta charset`,
    )
    .replace(/[ \t]+$/gm, "")
    .trimEnd() + "\n";

if (bundle.split(MARK).length !== 2) fail(`the bundle does not say ${MARK} once`);
const foreign = /[^\x00-\x7f]/.exec(bundle);
if (foreign) fail(`the bundle is not ASCII at character ${foreign.index}`);
if (/(?:src|href)="(?!data:)/.test(bundle)) fail("the bundle refers to another file");

if (process.argv.includes("--compare")) {
  const kept = readFileSync(here("bundle.html"), "utf8");
  if (kept !== bundle)
    fail("bundle.html is not what report/src gives; npm run build writes it again");
} else {
  writeFileSync(here("bundle.html"), bundle);
  console.log(`report: bundle.html, ${(bundle.length / 1024).toFixed(1)} KiB`);
}

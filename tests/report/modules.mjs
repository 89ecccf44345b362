// SPDX-License-Identifier: Apache-2.0
// What report/package-lock.json names, installed once and kept until that file changes. Exit code
// 77 where that cannot be done (no npm, no registry), which ctest reports as skipped.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const folder = new URL("../../report/", import.meta.url);
const lock = new URL("package-lock.json", folder);
const stamp = new URL("node_modules/.laconic-lock", folder);

export function installModules() {
  const wanted = readFileSync(lock, "utf8");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  const npm = spawnSync("npm", ["ci", "--prefer-offline", "--no-audit", "--no-fund"], {
    cwd: folder,
    encoding: "utf8",
  });
  if (npm.status !== 0) {
    console.log(`skipped: npm ci in report/ does not work here: ${npm.error ?? npm.stderr}`);
    process.exit(77);
  }
  writeFileSync(stamp, wanted);
}

// Modules live in report/, tests do not.
export const require = createRequire(new URL("package.json", folder));

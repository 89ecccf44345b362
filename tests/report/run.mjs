// SPDX-License-Identifier: Apache-2.0
// node run.mjs fresh|TEST_FILE: with the modules of report/ installed.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { installModules } from "./modules.mjs";

installModules();
const what = process.argv[2];
const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const result =
  what === "fresh"
    ? spawnSync("npm", ["run", "--silent", "fresh"], {
        cwd: here("../../report"),
        stdio: "inherit",
      })
    : spawnSync(process.execPath, ["--test", "--test-reporter=spec", here(what)], {
        stdio: "inherit",
      });
process.exit(result.status ?? 1);

// SPDX-License-Identifier: Apache-2.0
// What every run was: how to make it again, and its whole configuration.

import { byId, element } from "./dom.js";

// The command of the record file; one of an older version does not say it.
function commandOf({ header }) {
  return typeof header?.command === "string" && header.command !== "" ? header.command : null;
}

function copyButton(text) {
  const button = element("button", { type: "button" }, "copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "copied";
    } catch {
      button.textContent = "select it and copy";
    }
  });
  return button;
}

function facts({ header, folder, methods }) {
  const rows = [
    ["Folder", folder],
    ["Seed", header?.seed],
    ["Repeats", header?.config?.repeats],
    ["Version", header?.version],
    ["Compiler", header?.compiler],
    ["SIMD", header?.simd_target],
    ["Ranks", header && `${header.ranks} (${header.transport})`],
    ["Schema", header?.schema],
    ["Methods with records", methods.length],
  ].filter(([, value]) => value !== undefined && value !== null);
  return element(
    "dl",
    {},
    ...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, String(value))]),
  );
}

function runSection(run) {
  const command = commandOf(run);
  const parts = [element("h3", {}, run.title), facts(run)];
  if (command) {
    parts.push(
      element("p", {}, "To make this run again, with the version above and the same file:"),
      element("div", { className: "command" }, element("code", {}, command), copyButton(command)),
    );
  }
  if (run.header) {
    parts.push(
      element(
        "details",
        {},
        element("summary", {}, "Configuration with every default filled in"),
        element("pre", { tabIndex: 0 }, JSON.stringify(run.header.config, null, 2)),
      ),
    );
  }
  return element("article", {}, ...parts);
}

export function showRuns(runs) {
  const wanted = JSON.stringify(runs.map(({ header, title }) => [title, header]));
  if (byId("run-list").dataset.runs === wanted) return;
  byId("run-list").dataset.runs = wanted;
  const open = [...byId("run-list").querySelectorAll("details")].map(({ open: is }) => is);
  byId("run-list").replaceChildren(...runs.map(runSection));
  byId("run-list")
    .querySelectorAll("details")
    .forEach((details, i) => {
      details.open = open[i] ?? false;
    });
}

export function showProblems(runs) {
  const texts = runs.flatMap((run) =>
    run.problems.map((text) => (runs.length > 1 ? `${run.title}/${text}` : text)),
  );
  byId("problems").hidden = texts.length === 0;
  byId("problem-list").replaceChildren(...texts.map((text) => element("li", {}, text)));
}

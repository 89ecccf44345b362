// SPDX-License-Identifier: Apache-2.0
// The heat map of a sweep: two keys of its grid as rows and columns, the best cell over the other
// keys in every field.

import { byId, element, fillSelect } from "./dom.js";
import * as format from "./format.js";

const MOST = new Set(["test_accuracy", "train_accuracy", "snr_db"]);

// {key, label, of, most} for the criterion of the sweep and what cells end with.
function valuesOf(cells, criterion) {
  const out = [
    {
      key: "value",
      label: `${criterion} (criterion)`,
      most: MOST.has(criterion),
      of: (cell) => cell.value,
    },
  ];
  const names = new Set(cells.flatMap((cell) => Object.keys(cell.final ?? {})));
  for (const name of names) {
    if (cells.some((cell) => typeof cell.final?.[name] === "number")) {
      out.push({
        key: `final/${name}`,
        label: `${name} at the end`,
        most: MOST.has(name),
        of: (cell) => cell.final?.[name],
      });
    }
  }
  out.push({ key: "rounds", label: "rounds", of: (cell) => cell.rounds });
  out.push({
    key: "up",
    label: "payload bits up per worker",
    of: (cell) => cell.uplink?.payload_bits,
  });
  return out;
}

// In place of a key: all cells together. Keys of a sweep are letters, digits and underscores.
const NONE = { key: "*", label: "(all together)" };

const settingOf = (cell, key) => (key === NONE.key ? "all" : String(cell.settings[key]));
// Values of a key in the order of the cells.
const settingsOf = (cells, key) => [...new Set(cells.map((cell) => settingOf(cell, key)))];

// Dark for good, light for bad; readable text on both.
function colors(value, low, high, log, most) {
  const f = log ? Math.log10 : (x) => x;
  const span = f(high) - f(low);
  const share = span > 0 ? (f(value) - f(low)) / span : 0;
  const good = most ? share : 1 - share;
  const lightness = 94 - 62 * good;
  return {
    background: `hsl(205 60% ${lightness.toFixed(0)}%)`,
    color: lightness < 60 ? "#fff" : "#111",
  };
}

export class Sweep {
  constructor() {
    for (const id of ["sweep-method", "sweep-rows", "sweep-columns", "sweep-value", "sweep-log"]) {
      byId(id).addEventListener("change", () => this.draw());
    }
  }

  show(runs) {
    this.groups = [];
    for (const run of runs.filter(({ cells }) => cells.length > 0)) {
      for (const name of new Set(run.cells.map(({ method }) => method))) {
        this.groups.push({
          key: `${run.index}/${name}`,
          run,
          label: runs.length > 1 ? `${run.title}: ${name}` : name,
          cells: run.cells.filter(({ method }) => method === name),
        });
      }
    }
    byId("sweep").hidden = this.groups.length === 0;
    if (this.groups.length > 0) this.draw();
  }

  draw() {
    const chosen = fillSelect(byId("sweep-method"), this.groups);
    const { cells, run } = this.groups.find(({ key }) => key === chosen);
    const keys = Object.keys(cells[0].settings);
    const options = keys.map((key) => ({ key, label: key }));
    const selected = run.header?.config?.sweep?.select ?? [];
    const remaining = keys.filter((key) => !selected.includes(key));
    const given = (id, i) => byId(id).value || remaining[i] || keys[i] || NONE.key;
    const rowKey = fillSelect(
      byId("sweep-rows"),
      [...options, NONE],
      this.at(given("sweep-rows", 0), keys),
    );
    const others = options.filter(({ key }) => key !== rowKey);
    const columnKey = fillSelect(
      byId("sweep-columns"),
      [...others, NONE],
      this.at(given("sweep-columns", 1), keys, rowKey),
    );
    const criterion = String(run.header?.config?.sweep?.criterion ?? "value");
    const values = valuesOf(cells, criterion);
    const value = values.find(({ key }) => key === fillSelect(byId("sweep-value"), values));
    const over = keys.filter((key) => key !== rowKey && key !== columnKey);
    byId("sweep-note").textContent =
      `${cells.length} cells; ${value.most ? "the largest" : "the least"} value over ` +
      `${over.join(", ") || "nothing else"}; darker is better, - where all cells lose.`;
    this.table(cells, rowKey, columnKey, value);
  }

  // A key that this method has and that is not taken; else the first such.
  at(key, keys, taken = null) {
    if (key === NONE.key || (keys.includes(key) && key !== taken)) return key;
    return keys.find((other) => other !== taken) ?? NONE.key;
  }

  table(cells, rowKey, columnKey, value) {
    const rows = settingsOf(cells, rowKey);
    const columns = settingsOf(cells, columnKey);
    const best = new Map();
    for (const cell of cells) {
      const number = value.of(cell);
      if (typeof number !== "number") continue;
      const place = JSON.stringify([settingOf(cell, rowKey), settingOf(cell, columnKey)]);
      const old = best.get(place);
      if (!old || (value.most ? number > old.number : number < old.number))
        best.set(place, { number, cell });
    }
    const numbers = [...best.values()].map(({ number }) => number);
    const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
    const log = byId("sweep-log").checked && low > 0;
    const field = (row, column) => {
      const found = best.get(JSON.stringify([row, column]));
      const cell = element("td", { className: "number" }, format.number(found?.number ?? NaN));
      if (found) {
        Object.assign(cell.style, colors(found.number, low, high, log, value.most));
        cell.title = Object.entries(found.cell.settings)
          .map(([key, one]) => `${key}=${one}`)
          .join(" ");
      }
      return cell;
    };
    byId("heat-map").replaceChildren(
      element(
        "thead",
        {},
        element(
          "tr",
          {},
          element("th", { scope: "col" }, `${rowKey} \\ ${columnKey}`),
          ...columns.map((text) => element("th", { scope: "col" }, text)),
        ),
      ),
      element(
        "tbody",
        {},
        ...rows.map((row) =>
          element(
            "tr",
            {},
            element("th", { scope: "row" }, row),
            ...columns.map((one) => field(row, one)),
          ),
        ),
      ),
    );
  }
}

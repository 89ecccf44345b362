// SPDX-License-Identifier: Apache-2.0
// The table: where every method ended, and what it paid to reach a target. Numbers are means over
// the repeats; what not all repeats have, the method has not.

import { adversaryShare } from "./data.js";
import { byId, element } from "./dom.js";
import * as format from "./format.js";
import { axisOf, last, rowAtTarget } from "./quantities.js";

// NaN unless all are numbers.
const mean = (values) =>
  values.length > 0 ? values.reduce((sum, value) => sum + value, 0) / values.length : NaN;

const atEnd = (method, of) => mean(method.curves.map((curve) => last(of(curve))));

function lowest(values) {
  let out = NaN;
  for (const value of values ?? []) {
    if (Number.isNaN(out) || value < out) out = value;
  }
  return out;
}

const best = (method, metric) =>
  mean(
    method.curves.map((curve) =>
      curve.derived(`lowest/${metric.key}`, () => lowest(metric.of(curve))),
    ),
  );

function statusOf(method) {
  const found = method.run.summary?.methods?.find((one) => one?.name === method.name);
  if (method.curves.some(({ diverged }) => diverged)) return "diverged";
  if (typeof found?.status === "string" && found.status !== "done") return found.status;
  const stops = new Set(method.curves.map(({ stopped }) => stopped ?? "not done"));
  return [...stops].join(", ");
}

// The mean of `of` where the target is met first; NaN unless every repeat meets it.
function paid(method, target, of) {
  return mean(
    method.curves.map((curve) => {
      const row = rowAtTarget(curve, target.metric, target.value);
      const values = row < 0 ? null : of(curve);
      return values ? values[row] : NaN;
    }),
  );
}

// Where a metric stands in the table, if at all.
function placeOf({ key, minor, count }) {
  if (key === "gradient_evaluations" || count) return "later";
  return minor || key === "grad_norm2" ? "nowhere" : "first";
}

// Columns for what is there. `values` (by method) are sorted by, `text` makes what is shown.
function columnsOf(methods, metrics, target, state) {
  const along = (key) => {
    const axis = axisOf(key);
    return { text: axis.text, value: (method) => atEnd(method, (curve) => axis.of(curve, state)) };
  };
  const atTheEnd = (wanted) =>
    metrics
      .filter((metric) => placeOf(metric) === wanted)
      .map((metric) => ({
        label: metric.short ?? metric.label,
        text: metric.text ?? format.number,
        value: (method) => atEnd(method, metric.of),
      }));
  const loss = metrics.find(({ key }) => key === "loss");
  const toTarget = target
    ? ["up", "total", "round", "predicted"].map((key) => {
        const axis = axisOf(key);
        return {
          label: `${axis.short ?? axis.label} to target`,
          text: axis.text,
          target: true,
          value: (method) => paid(method, target, (curve) => axis.of(curve, state)),
        };
      })
    : [];
  return [
    { label: "Method", value: (method) => method.label, text: String, name: true },
    ...atTheEnd("first"),
    ...(loss
      ? [{ label: "Lowest loss", text: format.number, value: (method) => best(method, loss) }]
      : []),
    ...toTarget,
    ...["round", "epoch", "up", "total", "seconds", "predicted"].map((key) => ({
      label: axisOf(key).short ?? axisOf(key).label,
      ...along(key),
    })),
    ...atTheEnd("later"),
    {
      label: "Adversaries",
      text: format.percent,
      value: (method) => adversaryShare(method)?.share ?? NaN,
    },
    { label: "Ended by", value: statusOf, text: String },
  ]
    .map((column) => ({ ...column, values: methods.map(column.value) }))
    .filter(({ values, target: always }) => always || values.some((value) => !Number.isNaN(value)));
}

// Numbers in order, what is no number last, whatever the direction.
function compare(a, b, descending) {
  if (typeof a === "string") return descending ? b.localeCompare(a) : a.localeCompare(b);
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  return descending ? b - a : a - b;
}

export class Outcome {
  constructor({ onHover }) {
    this.onHover = onHover;
    this.sort = null; // {label, descending}
  }

  // target: {metric, value} or null. state: meter and network.
  show({ methods, metrics, target, state }) {
    this.given = { methods, metrics, target, state };
    const columns = columnsOf(methods, metrics, target, state);
    const rows = methods.map((method, i) => ({
      method,
      values: columns.map(({ values }) => values[i]),
    }));
    const by = columns.findIndex(({ label }) => label === this.sort?.label);
    if (by >= 0) {
      rows.sort((a, b) => compare(a.values[by], b.values[by], this.sort.descending));
    }
    const focused = byId("table").contains(document.activeElement)
      ? document.activeElement.textContent
      : null;
    byId("table").replaceChildren(
      element("caption", { className: "hidden" }, "Where every method ended; headers sort"),
      element("thead", {}, element("tr", {}, ...columns.map((column) => this.header(column)))),
      element("tbody", {}, ...rows.map((row) => this.row(row, columns))),
    );
    if (focused !== null) this.focus(focused);
  }

  // Headers are made anew; one that had the focus keeps it.
  focus(label) {
    const buttons = [...byId("table").querySelectorAll("th button")];
    buttons.find((button) => button.textContent === label)?.focus();
  }

  header(column) {
    const sorted = this.sort?.label === column.label;
    const button = element("button", { type: "button" }, column.label);
    button.addEventListener("click", () => {
      this.sort = { label: column.label, descending: sorted && !this.sort.descending };
      this.show(this.given);
    });
    const order = sorted ? (this.sort.descending ? "descending" : "ascending") : "none";
    return element(
      "th",
      { scope: "col", "aria-sort": order, className: column.target ? "target" : "" },
      button,
    );
  }

  row({ method, values }, columns) {
    const cells = columns.map((column, i) => {
      const text = column.text(values[i]);
      if (!column.name) {
        return element("td", { className: typeof values[i] === "number" ? "number" : "" }, text);
      }
      const swatch = element("span", { className: "swatch", "aria-hidden": "true" });
      swatch.style.background = method.color;
      return element("th", { scope: "row", title: method.spec }, swatch, text);
    });
    const out = element("tr", {}, ...cells);
    out.addEventListener("mouseenter", () => this.onHover(method.key));
    out.addEventListener("mouseleave", () => this.onHover(null));
    return out;
  }
}

// SPDX-License-Identifier: Apache-2.0
// The page of laconic report: joins data, controls, charts and tables.

import "uplot/dist/uPlot.min.css";
import "./style.css";
import { Chart } from "./chart.js";
import { readData } from "./data.js";
import { byId, fillSelect } from "./dom.js";
import * as format from "./format.js";
import { MethodList } from "./methods.js";
import { NetworkControls } from "./network.js";
import { Outcome } from "./outcome.js";
import { axesOf, axisOf, configuredTarget, last, metricsOf } from "./quantities.js";
import { showProblems, showRuns } from "./runs.js";
import { Sides } from "./sides.js";
import { Sweep } from "./sweep.js";
import { watchTheme } from "./theme.js";
import { follow } from "./live.js";

class Page {
  constructor() {
    const onHover = (key) => this.methods.hover(key);
    this.chart = new Chart(byId("main-chart"), { label: "Curves", onHover });
    this.sides = new Sides({ onHover });
    this.outcome = new Outcome({ onHover });
    this.sweep = new Sweep();
    this.methods = new MethodList({
      onChange: () => this.draw(),
      onHighlight: (key) => {
        this.chart.highlight(key);
        this.sides.highlight(key);
      },
    });
    this.network = new NetworkControls({ onChange: () => this.networkChanged() });
    byId("metric").addEventListener("change", () => {
      byId("log-y").checked = Boolean(this.metric().log);
      this.draw();
    });
    for (const id of ["axis", "log-x", "log-y"])
      byId(id).addEventListener("change", () => this.drawCurves());
    byId("meter").addEventListener("change", () => this.draw());
    byId("target-metric").addEventListener("change", () => this.proposeTarget());
    byId("target-value").addEventListener("input", () => this.drawOutcome());
    watchTheme(() => {
      this.chart.build();
      this.sides.redraw();
    });
  }

  // New data; what the reader chose stays.
  show(data) {
    this.data = data;
    this.metrics = metricsOf(data.curves);
    fillSelect(byId("metric"), this.metrics);
    fillSelect(byId("target-metric"), this.metrics);
    this.network.show(data.runs);
    fillSelect(byId("axis"), axesOf(data.curves, this.state()));
    if (!this.started && data.curves.length > 0) this.start();
    this.methods.show(data.methods);
    showProblems(data.runs);
    this.titles();
    this.sweep.show(data.runs);
    showRuns(data.runs);
    this.draw();
  }

  // What is shown at first, once there is something to show.
  start() {
    this.started = true;
    byId("log-y").checked = Boolean(this.metric()?.log);
    const target = configuredTarget(this.data.methods, this.metrics);
    if (target) {
      byId("target-metric").value = target.key;
      byId("target-value").value = String(target.value);
    } else {
      this.proposedTarget();
    }
  }

  titles() {
    const { runs, version } = this.data;
    const names = [...new Set(runs.map(({ title }) => title))].join(", ");
    document.title = `${names} - laconic report`;
    byId("title").textContent = names;
    const about = runs
      .map(({ header }) => header?.config)
      .filter((config) => config)
      .map(({ problem, data, workers }) =>
        [problem, data, workers && `${workers} workers`].filter(Boolean).join(", "),
      );
    byId("subtitle").textContent = [...new Set(about)].join("; ");
    byId("footer").textContent = `laconic ${version}`;
  }

  metric(id = "metric") {
    return this.metrics.find(({ key }) => key === byId(id).value);
  }

  state() {
    return { meter: byId("meter").value, network: this.network.network };
  }

  // The loss that half of the methods reach, with two digits.
  proposedTarget() {
    const metric = this.metric("target-metric");
    const ends = metric
      ? this.data.curves
          .map((curve) => last(metric.of(curve)))
          .filter((value) => Number.isFinite(value))
          .sort((a, b) => a - b)
      : [];
    const middle = ends[Math.floor(ends.length / 2)];
    byId("target-value").value = middle === undefined ? "" : String(Number(middle.toPrecision(2)));
  }

  proposeTarget() {
    this.proposedTarget();
    this.drawOutcome();
  }

  target() {
    const metric = this.metric("target-metric");
    const text = byId("target-value").value;
    const value = format.parseNumber(text);
    byId("target-sense").textContent = metric?.most ? "at least" : "at most";
    byId("target-problem").textContent =
      value === null && text.trim() !== "" ? "This is not a number, e.g. 0.4 or 1e-3." : "";
    return metric && value !== null ? { metric, value } : null;
  }

  shownCurves() {
    return this.data.curves.filter(({ method }) => this.methods.shown(method));
  }

  drawCurves() {
    const metric = this.metric();
    const axis = axisOf(byId("axis").value);
    const state = this.state();
    const curves = metric
      ? this.shownCurves().map((curve) => ({
          xs: axis.of(curve, state),
          ys: metric.of(curve),
          color: curve.method.color,
          dash: curve.method.dash,
          key: curve.method.key,
          name: curve.method.label,
          label:
            curve.method.curves.length > 1
              ? `${curve.method.label} (repeat ${curve.repeat})`
              : curve.method.label,
        }))
      : [];
    this.chart.show({
      curves,
      x: axis,
      y: metric ?? { label: "Nothing was recorded" },
      logX: byId("log-x").checked,
      logY: byId("log-y").checked,
    });
  }

  drawOutcome() {
    this.outcome.show({
      methods: this.data.methods,
      metrics: this.metrics,
      target: this.target(),
      state: this.state(),
    });
  }

  draw() {
    this.drawCurves();
    this.drawOutcome();
    this.sides.show(this.data, this.shownCurves());
  }

  networkChanged() {
    // A slider fires faster than a long run is drawn.
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => {
      if (["predicted", "job"].includes(byId("axis").value)) this.drawCurves();
      this.drawOutcome();
    });
  }
}

function failed(error) {
  byId("problems").hidden = false;
  byId("problem-list").append(
    Object.assign(document.createElement("li"), {
      textContent: `The page cannot show its data: ${error.message}`,
    }),
  );
}

try {
  const data = readData(byId("data").textContent);
  const page = new Page();
  page.show(data);
  if (data.live) follow(page);
} catch (error) {
  failed(error);
  throw error;
}

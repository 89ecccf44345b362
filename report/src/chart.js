// SPDX-License-Identifier: Apache-2.0
// A line chart. uPlot keeps scales, axes, cursor and selection; lines are drawn here, because every
// curve has an x of its own, and only the points of decimate.js are drawn.
//
// With the mouse: drag to zoom, double click to see all. With the keyboard: left and right read
// points of the curve that is highlighted (or the first one), + and - zoom there, Escape shows all.

import uPlot from "uplot";
import { element } from "./dom.js";
import { eachSpan, keptIndices, lowerBound, visibleRange } from "./decimate.js";
import * as format from "./format.js";
import { drawingOn, SvgContext } from "./svg.js";

const HEIGHT = 360;
const NEAR = 40; // pixels within which the cursor picks a curve
const CROWDED = 3; // points per column of pixels from which spans are painted
const LEGEND_ROW = 18;
const LEGEND_FONT = "12px system-ui, sans-serif";
const identity = (value) => value;

// What can be drawn: not NaN, and positive on a log axis. Arrays stay as they are where they can.
function drawable(values, log) {
  if (!log) return values;
  return values.map((value) => (value > 0 ? value : NaN));
}

function extent(arrays) {
  let low = Infinity;
  let high = -Infinity;
  for (const [values, from, to] of arrays) {
    for (let i = from; i < to; i += 1) {
      if (values[i] < low) low = values[i];
      if (values[i] > high) high = values[i];
    }
  }
  return low <= high ? [low, high] : null;
}

// A range with room around it, also for a single value.
function padded([low, high], log, share) {
  if (log) {
    const factor = low === high ? 2 : (high / low) ** share;
    return [low / factor, high * factor];
  }
  const room = low === high ? Math.abs(low) * 0.1 || 1 : (high - low) * share;
  return [low - room, high + room];
}

// Steps of counts.
const WHOLE = Array.from({ length: 14 }, (_, i) => [1, 2, 5].map((step) => step * 10 ** i)).flat();

// About five round numbers within a range that is too short for powers of ten.
function evenSplits([low, high]) {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) =>
    Number(((first + i) * step).toPrecision(12)),
  );
}

// 1 to 9 times the powers of ten within a range. uPlot's own start at the end of the range, whatever
// number that is.
function logSplits([low, high]) {
  const out = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power += 1) {
    for (let digit = 1; digit < 10; digit += 1) {
      const split = Number(`${digit}e${power}`);
      if (split >= low && split <= high) out.push(split);
    }
  }
  return out;
}

// An axis of uPlot for a quantity ({label, text}), in the colors of the page.
function axis({ label, text = format.number }, log, range, more) {
  const style = getComputedStyle(document.documentElement);
  const grid = { stroke: style.getPropertyValue("--grid").trim(), width: 1 };
  const short = log && range[1] / range[0] < 20;
  return {
    label,
    stroke: style.getPropertyValue("--ink").trim(),
    grid,
    ticks: grid,
    font: "12px system-ui, sans-serif",
    labelFont: "13px system-ui, sans-serif",
    values: (_, splits) => splits.map((one) => (one === null ? "" : text(one))),
    ...(short ? { splits: () => evenSplits(range), filter: (_, splits) => splits } : {}),
    ...(log && !short ? { splits: () => logSplits(range) } : {}),
    ...more,
  };
}

// Repeats of a method share a name.
const nameOf = ({ name, label }) => name ?? label;

// The curves' names under a picture of `width` pixels, in columns; the rows that this takes.
function drawLegend(ctx, curves, width, top, ink) {
  const named = [...new Map(curves.map((curve) => [nameOf(curve), curve])).values()];
  ctx.font = LEGEND_FONT;
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  const ruler = document.createElement("canvas").getContext("2d");
  ruler.font = LEGEND_FONT;
  const widest = Math.max(0, ...named.map((curve) => ruler.measureText(nameOf(curve)).width));
  const columns = Math.max(1, Math.floor((width - LEGEND_ROW) / (widest + 60)));
  named.forEach((curve, i) => {
    const x = LEGEND_ROW + (i % columns) * ((width - LEGEND_ROW) / columns);
    const y = top + (Math.floor(i / columns) + 0.5) * LEGEND_ROW;
    ctx.strokeStyle = curve.color;
    ctx.lineWidth = 3;
    ctx.setLineDash(curve.dash);
    ctx.beginPath();
    ctx.moveTo(x, y);
    ctx.lineTo(x + 28, y);
    ctx.stroke();
    ctx.fillStyle = ink;
    ctx.fillText(nameOf(curve), x + 36, y);
  });
  return Math.ceil(named.length / columns);
}

export class Chart {
  // `onHover(key)` is told which method the cursor is near, null for none.
  constructor(host, { label, onHover = () => {} }) {
    this.label = label;
    this.onHover = onHover;
    this.view = null; // [from, to] of x, null: all
    this.highlighted = null;
    this.reading = null; // {curve, index}
    this.hovering = false; // the pointer reads, not the keyboard
    this.plot = null;
    this.box = element("div", {
      className: "chart",
      tabIndex: 0,
      role: "group",
      "aria-label": `${label}; arrow keys read points, plus and minus zoom, Escape shows all`,
    });
    this.readout = element("output", { className: "readout" });
    host.chart = this; // for programs that steer the page
    const save = element("button", { type: "button", className: "save" }, "save as SVG");
    save.addEventListener("click", () => this.save());
    host.replaceChildren(
      this.box,
      element("div", { className: "below" }, this.readout, save),
    );
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.box.addEventListener("dblclick", () => this.zoom(null));
    new ResizeObserver(() => this.resize()).observe(this.box);
  }

  // curves: {xs, ys, color, dash, key, label, name}; ys of all rows, xs not decreasing.
  show({ curves, x, y, logX, logY }) {
    const axes = `${x.label}/${logX}/${x.stays ?? ""}`;
    if (axes !== this.axes) this.view = null;
    this.axes = axes;
    this.options = { x, y, logX, logY };
    this.curves = curves
      .filter(({ xs, ys }) => xs && ys)
      .map((curve) => ({
        ...curve,
        xs: drawable(curve.xs, false),
        ys: drawable(curve.ys, logY),
      }));
    this.reading = this.sameReading();
    this.build();
  }

  // The point that was read, among newer curves.
  sameReading() {
    const old = this.reading;
    const curve = old && this.curves.find(({ label }) => label === old.curve.label);
    return curve && old.index < curve.xs.length ? { curve, index: old.index } : null;
  }

  highlight(key) {
    if (this.highlighted === key) return;
    this.highlighted = key;
    this.plot?.redraw(false);
  }

  zoom(view) {
    this.view = view;
    this.build();
  }

  fullX() {
    const { logX } = this.options;
    const positive = (xs) => (logX ? lowerBound(xs, Number.MIN_VALUE) : 0);
    const all = extent(this.curves.map(({ xs }) => [xs, positive(xs), xs.length]));
    if (!all) return [logX ? 1 : 0, logX ? 10 : 1];
    return all[0] === all[1] ? padded(all, logX, 0) : all;
  }

  ranges() {
    const { logY } = this.options;
    const x = this.view ?? this.fullX();
    const seen = this.curves.map(({ xs, ys }) => [ys, ...visibleRange(xs, x[0], x[1])]);
    const y = extent(seen) ?? [logY ? 0.1 : 0, 1];
    return { x, y: padded(y, logY, 0.04) };
  }

  build() {
    this.plot?.destroy();
    // A plot that was replaced may still have something to draw.
    this.plot = this.newPlot(this.width(), {
      draw: [(plot) => plot === this.plot && this.draw(plot)],
      setSelect: [() => this.select()],
      setCursor: [(plot) => plot === this.plot && this.hover()],
    });
    this.box.replaceChildren(this.plot.root);
  }

  newPlot(width, hooks) {
    const { x, y, logX, logY } = this.options;
    const ranges = this.ranges();
    return new uPlot(
      {
        width,
        height: HEIGHT,
        legend: { show: false },
        cursor: {
          drag: { x: true, y: false, setScale: false },
          points: { show: false },
          bind: { dblclick: () => null },
        },
        scales: {
          x: { time: false, distr: logX ? 3 : 1, range: () => ranges.x },
          y: { distr: logY ? 3 : 1, range: () => ranges.y },
        },
        axes: [
          axis(x, logX, ranges.x, { space: 70, ...(x.whole && !logX ? { incrs: WHOLE } : {}) }),
          axis(y, logY, ranges.y, { size: 74 }),
        ],
        series: [{}, { show: true, points: { show: false }, paths: () => null }],
        hooks,
      },
      [ranges.x, [ranges.y[0], ranges.y[1]]],
    );
  }

  // What the chart shows now as the text of an SVG file, with the names of the curves under it.
  svg(width = this.width()) {
    return new Promise((done, failed) => {
      const context = new SvgContext();
      const draw = (plot) => {
        try {
          this.draw(plot);
          done(this.framed(context, width));
        } catch (error) {
          failed(error);
        } finally {
          plot.destroy();
        }
      };
      drawingOn(context, () => this.newPlot(width, { draw: [draw] }));
    });
  }

  framed(context, width) {
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(name).trim();
    const scale = devicePixelRatio;
    const { logX } = this.options;
    const seen = ({ xs, ys }) => ys.some((y, i) => !Number.isNaN(y) && (!logX || xs[i] > 0));
    const shown = this.curves.filter(seen);
    context.scale(scale);
    const rows = drawLegend(context, shown, width, HEIGHT, color("--ink"));
    return context.picture({
      width: width * scale,
      height: (HEIGHT + (rows + 0.5) * LEGEND_ROW) * scale,
      scale,
      background: color("--paper"),
      description: `${this.options.y.label} against ${this.options.x.label}`,
    });
  }

  async save() {
    const address = URL.createObjectURL(new Blob([await this.svg()], { type: "image/svg+xml" }));
    element("a", { href: address, download: `${document.title}, ${this.label}.svg` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60000); // the browser reads it after the click
  }

  width() {
    return Math.max(240, this.box.clientWidth);
  }

  resize() {
    if (this.plot && this.plot.width !== this.width()) {
      this.plot.setSize({ width: this.width(), height: HEIGHT });
    }
  }

  // Maps from values to pixels of the canvas.
  pixels({ bbox, scales }) {
    const line = (scale, log, start, length) => {
      const f = log ? Math.log10 : identity;
      const low = f(scales[scale].min);
      const factor = length / (f(scales[scale].max) - low);
      return (value) => start + (f(value) - low) * factor;
    };
    const { logX, logY } = this.options;
    return {
      toX: line("x", logX, bbox.left, bbox.width),
      toY: line("y", logY, bbox.top + bbox.height, -bbox.height),
    };
  }

  draw(plot) {
    const { ctx, bbox } = plot;
    const { toX, toY } = this.pixels(plot);
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    // What is highlighted lies above the others.
    const above = (curve) => (curve.key === this.highlighted ? 1 : 0);
    for (const curve of [...this.curves].sort((a, b) => above(a) - above(b))) {
      this.drawCurve(plot, curve, toX, toY);
    }
    if (this.reading) this.drawPoint(ctx, toX, toY);
    ctx.restore();
  }

  drawCurve({ ctx, bbox, scales }, curve, toX, toY) {
    const { min, max } = scales.x;
    let [from, to] = visibleRange(curve.xs, min, max);
    if (this.options.logX) from = Math.max(from, lowerBound(curve.xs, Number.MIN_VALUE));
    const highlighted = curve.key === this.highlighted;
    ctx.globalAlpha = this.highlighted !== null && !highlighted ? 0.25 : 1;
    ctx.strokeStyle = curve.color;
    ctx.fillStyle = curve.color;
    ctx.lineWidth = (highlighted ? 3.2 : 1.6) * devicePixelRatio;
    const columnOf = (x) => Math.round(toX(x));
    if (to - from > CROWDED * bbox.width) this.paintSpans(ctx, curve, from, to, columnOf, toY);
    else this.strokeLine(ctx, curve, keptIndices(curve.xs, curve.ys, from, to, columnOf), toX, toY);
  }

  paintSpans(ctx, { xs, ys }, from, to, columnOf, toY) {
    const width = ctx.lineWidth;
    eachSpan(xs, ys, from, to, columnOf, (column, low, high) => {
      const top = toY(high) - width / 2;
      ctx.fillRect(column, top, 1, Math.max(width, toY(low) + width / 2 - top));
    });
  }

  strokeLine(ctx, curve, kept, toX, toY) {
    const { xs, ys } = curve;
    ctx.lineJoin = "round";
    ctx.setLineDash(curve.dash.map((length) => length * devicePixelRatio));
    ctx.beginPath();
    let inside = false;
    for (const i of kept) {
      if (Number.isNaN(ys[i])) inside = false;
      else if (inside) ctx.lineTo(toX(xs[i]), toY(ys[i]));
      else {
        ctx.moveTo(toX(xs[i]), toY(ys[i]));
        inside = true;
      }
    }
    ctx.stroke();
    ctx.setLineDash([]);
    if (kept.length === 1) this.dot(ctx, curve, kept[0], toX, toY, 3);
  }

  dot(ctx, { xs, ys }, index, toX, toY, radius) {
    ctx.beginPath();
    ctx.arc(toX(xs[index]), toY(ys[index]), radius * devicePixelRatio, 0, 2 * Math.PI);
    ctx.fill();
  }

  drawPoint(ctx, toX, toY) {
    ctx.globalAlpha = 1;
    ctx.fillStyle = this.reading.curve.color;
    this.dot(ctx, this.reading.curve, this.reading.index, toX, toY, 5);
  }

  select() {
    const { left, width } = this.plot.select;
    if (width < 5) return;
    const view = [this.plot.posToVal(left, "x"), this.plot.posToVal(left + width, "x")];
    this.zoom(view);
  }

  // The point nearest to the cursor.
  hover() {
    const { left, top } = this.plot.cursor;
    if (left === undefined || left < 0) {
      if (!this.hovering) return;
      this.hovering = false;
      this.read(null);
      this.onHover(null);
      return;
    }
    this.hovering = true;
    const x = this.plot.posToVal(left, "x");
    let best = null;
    let least = NEAR;
    for (const curve of this.curves) {
      const after = lowerBound(curve.xs, x);
      for (const index of [after - 1, after]) {
        if (!(index >= 0 && index < curve.xs.length) || Number.isNaN(curve.ys[index])) continue;
        const distance = Math.hypot(
          this.plot.valToPos(curve.xs[index], "x") - left,
          this.plot.valToPos(curve.ys[index], "y") - top,
        );
        if (distance < least) [best, least] = [{ curve, index }, distance];
      }
    }
    this.read(best);
    this.onHover(best?.curve.key ?? null);
  }

  read(point) {
    const { x, y } = this.options;
    this.reading = point;
    this.readout.textContent =
      point === null
        ? ""
        : `${point.curve.label}: ${(y.text ?? format.number)(point.curve.ys[point.index])} at ` +
          `${(x.text ?? format.number)(point.curve.xs[point.index])} (${x.label})`;
    this.plot.redraw(false);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 };
    if (event.key in steps) this.move(steps[event.key]);
    else if (event.key === "+" || event.key === "=") this.scale(0.5);
    else if (event.key === "-") this.scale(2);
    else if (event.key === "Escape") this.showAll();
    else return;
    event.preventDefault();
  }

  showAll() {
    this.reading = null;
    this.readout.textContent = "";
    this.zoom(null);
  }

  move(step) {
    const curve =
      this.reading?.curve ??
      this.curves.find(({ key }) => key === this.highlighted) ??
      this.curves[0];
    if (!curve || curve.xs.length === 0) return;
    const start = this.reading ? this.reading.index + step : 0;
    this.read({ curve, index: Math.min(curve.xs.length - 1, Math.max(0, start)) });
  }

  scale(factor) {
    const { logX } = this.options;
    const [f, inverse] = logX ? [Math.log10, (value) => 10 ** value] : [identity, identity];
    const [low, high] = this.ranges().x.map(f);
    const [first, end] = this.fullX().map(f);
    const at = this.reading ? f(this.reading.curve.xs[this.reading.index]) : (low + high) / 2;
    const from = Math.max(first, at - (at - low) * factor);
    const to = Math.min(end, at + (high - at) * factor);
    const point = this.reading;
    this.zoom(from <= first && to >= end ? null : [inverse(from), inverse(to)]);
    if (point) this.read(point);
  }
}

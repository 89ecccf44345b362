// SPDX-License-Identifier: Apache-2.0
// Charts that only some runs have: orders, channels, votes. Each section hides where no method has
// what it shows.

import { Chart } from "./chart.js";
import { adversaryShare } from "./data.js";
import { byId } from "./dom.js";
import * as format from "./format.js";

// The last record of every epoch: where the largest sum of that epoch is known.
function byEpoch(curve) {
  const epochs = curve.column("epoch");
  const sums = curve.column("order_largest_sum");
  if (!epochs || !sums) return null;
  const last = new Map();
  epochs.forEach((epoch, i) => {
    // A record at the end of epoch e stands at e, and belongs to it.
    const of = Math.ceil(epoch - 1e-9);
    if (of > 0 && !Number.isNaN(sums[i])) last.set(of, sums[i]);
  });
  return { xs: Float64Array.from(last.keys()), ys: Float64Array.from(last.values()) };
}

// Per round between two records, of a counter since round 0.
function perRound(curve, name) {
  const rounds = curve.column("round");
  const total = curve.column(name);
  if (!rounds || !total) return null;
  // In round 0 nothing has been counted yet.
  const before = (i) => (Number.isNaN(total[i]) && rounds[i] === 0 ? 0 : total[i]);
  const ys = total.map((value, i) =>
    i === 0 || rounds[i] === rounds[i - 1]
      ? NaN
      : (value - before(i - 1)) / (rounds[i] - rounds[i - 1]),
  );
  return { xs: rounds, ys };
}

// lambda is noise over signal.
function channelSnr(curve) {
  const rounds = curve.column("round");
  const lambda = curve.column("channel_lambda");
  return (
    rounds &&
    lambda && { xs: rounds, ys: lambda.map((value) => (value > 0 ? -10 * Math.log10(value) : NaN)) }
  );
}

function agreement(curve) {
  const rounds = curve.column("round");
  const ys = curve.column("agreement");
  return rounds && ys && { xs: rounds, ys };
}

// "Adversaries: METHOD: 25 % of the workers, invert:count=1".
function adversaryText(methods) {
  const texts = methods.flatMap((method) => {
    const liars = adversaryShare(method);
    if (!liars) return [];
    const share = liars.share === null ? "" : `${format.percent(liars.share)} of the workers, `;
    return [`${method.label}: ${share}${liars.text}`];
  });
  return texts.length > 0 ? `Adversaries: ${texts.join("; ")}` : "No method has adversaries.";
}

const has = (points) => points && points.ys.some((value) => !Number.isNaN(value));

export class Sides {
  constructor({ onHover }) {
    const chart = (id, label) => new Chart(byId(id), { label, onHover });
    this.parts = [
      {
        section: "orders",
        chart: chart("order-chart", "Herding bound by epoch"),
        of: byEpoch,
        x: "Epoch",
        y: "Largest sum",
        text: format.number,
        log: true,
      },
      {
        section: "channels",
        chart: chart("power-chart", "Energy by round"),
        of: (curve) => perRound(curve, "channel_energy"),
        bound: (curve) => perRound(curve, "channel_power"),
        x: "Rounds",
        y: "Energy per round (dotted: allowed)",
        text: format.number,
      },
      {
        section: "channels",
        chart: chart("snr-chart", "Signal-to-noise ratio by round"),
        of: channelSnr,
        x: "Rounds",
        y: "Signal-to-noise ratio, dB",
        text: format.number,
      },
      {
        section: "votes",
        chart: chart("vote-chart", "Agreement by round"),
        of: agreement,
        x: "Rounds",
        y: "Agreement",
        text: format.percent,
      },
    ];
  }

  // `all` decides which sections there are, `shown` which curves.
  show(all, shown) {
    for (const id of ["orders", "channels", "votes"]) {
      const parts = this.parts.filter(({ section }) => section === id);
      byId(id).hidden = !parts.some(({ of }) => all.curves.some((curve) => has(of(curve))));
      if (!byId(id).hidden) parts.forEach((part) => this.draw(part, shown));
    }
    byId("adversaries").textContent = adversaryText(all.methods);
  }

  draw(part, shown) {
    const line = (curve, points, dash, suffix) => ({
      ...points,
      dash,
      color: curve.method.color,
      key: curve.method.key,
      label: curve.method.label + suffix,
    });
    const curves = shown
      .flatMap((curve) => {
        const bound = part.bound?.(curve);
        return [
          { curve, points: part.of(curve), dash: curve.method.dash, suffix: "" },
          { curve, points: bound, dash: [2, 3], suffix: ", allowed" },
        ];
      })
      .filter(({ points }) => has(points))
      .map(({ curve, points, dash, suffix }) => line(curve, points, dash, suffix));
    const ys = curves.flatMap((one) => [...one.ys]).filter((y) => !Number.isNaN(y));
    const wide = ys.every((y) => y > 0) && Math.max(...ys) > 20 * Math.min(...ys);
    part.chart.show({
      curves,
      x: { label: part.x, text: format.number, whole: true },
      y: { label: part.y, text: part.text },
      logX: false,
      logY: Boolean(part.log) && wide,
    });
  }

  highlight(key) {
    for (const { chart } of this.parts) chart.highlight(key);
  }

  redraw() {
    for (const { section, chart } of this.parts) {
      if (!byId(section).hidden) chart.build();
    }
  }
}

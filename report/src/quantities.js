// SPDX-License-Identifier: Apache-2.0
// What can be shown of a curve, and against what. Each quantity maps a curve to numbers by row, or
// to null where the curve does not have it.

import * as format from "./format.js";

const map = (values, f) => values && values.map(f);
const column = (name) => (curve) => curve.column(name);
// Once per curve: tables and charts ask for the same again and again.
const mapped = (key, name, f) => (curve) =>
  curve.derived(`metric/${key}`, () => map(curve.column(name), f));

const METRICS = [
  { key: "loss", label: "Loss", of: column("loss") },
  {
    key: "excess",
    label: "Loss above the minimum, f - f*",
    short: "f - f*",
    of: column("excess"),
    log: true,
  },
  {
    key: "objective",
    label: "Objective (loss and l1 term)",
    short: "Objective",
    of: column("objective"),
  },
  {
    key: "test_accuracy",
    label: "Test accuracy",
    of: column("test_accuracy"),
    most: true,
    text: format.percent,
  },
  {
    key: "train_accuracy",
    label: "Training accuracy",
    of: column("train_accuracy"),
    most: true,
    text: format.percent,
  },
  { key: "test_loss", label: "Test loss", of: column("test_loss") },
  { key: "test_perplexity", label: "Test perplexity", of: column("test_perplexity") },
  { key: "test_smape", label: "Test sMAPE, %", of: column("test_smape") },
  {
    key: "grad_norm",
    label: "Gradient norm",
    log: true,
    of: mapped("grad_norm", "grad_norm2", Math.sqrt),
  },
  { key: "grad_norm2", label: "Squared gradient norm", of: column("grad_norm2"), log: true },
  {
    key: "sparsity",
    label: "Sparsity (share of zeros in the model)",
    short: "Sparsity",
    most: true,
    text: format.percent,
    of: mapped("sparsity", "density", (share) => 1 - share),
  },
  {
    key: "snr_db",
    label: "Signal-to-noise ratio of compression, dB",
    short: "SNR, dB",
    of: column("snr_db"),
    most: true,
  },
  {
    key: "agreement",
    label: "Agreement of the votes",
    short: "Agreement",
    of: column("agreement"),
    most: true,
    text: format.percent,
  },
  { key: "step_size", label: "Step size", of: column("step_size"), minor: true },
  { key: "model_mean", label: "Mean of the model", of: column("model_mean"), minor: true },
  {
    key: "gradient_evaluations",
    label: "Gradient evaluations",
    of: column("gradient_evaluations"),
    minor: true,
  },
  { key: "refused_frames", label: "Refused frames", of: column("refused_frames"), count: true },
  {
    key: "clamped_messages",
    label: "Clamped messages",
    of: column("clamped_messages"),
    count: true,
  },
  { key: "lost_frames", label: "Frames lost by the link", of: column("lost_frames"), count: true },
  { key: "resent_frames", label: "Frames sent again", of: column("resent_frames"), count: true },
];

// Columns that are counters of costs, or appear above under another name.
const NOT_SHOWN = /^(round|epoch|density|(uplink|downlink|network|seconds|order|channel)_.*)$/;

// Those that any curve has; quantities of later versions under the names of their columns.
export function metricsOf(curves) {
  const known = METRICS.filter(({ of, count }) =>
    curves.some((curve) => (count ? of(curve)?.some((value) => value > 0) : hasNumber(of(curve)))),
  );
  const names = new Set(METRICS.map(({ key }) => key));
  const others = new Set();
  for (const curve of curves) {
    for (const name of Object.keys(curve.raw)) {
      if (!names.has(name) && !NOT_SHOWN.test(name) && hasNumber(curve.column(name)))
        others.add(name);
    }
  }
  return [...known, ...[...others].map((name) => ({ key: name, label: name, of: column(name) }))];
}

const hasNumber = (values) => values !== null && values.some((value) => !Number.isNaN(value));

// The alpha-beta model of docs/network-model.md: messages that wait for one another, and the bytes
// on the busiest link.
export function networkSeconds(curve, network) {
  const steps = curve.column("network_latency_steps");
  const bytes = curve.column("network_link_bytes");
  if (!steps || !bytes) return null;
  return steps.map((count, i) => count * network.latency + (8 * bytes[i]) / network.bandwidth);
}

const BYTES = 8;
function traffic(curve, way, meter) {
  const values = curve.column(`${way}_${meter}`);
  return meter === "frame_bytes" ? map(values, (bytes) => bytes * BYTES) : values;
}

function sum(...columns) {
  const present = columns.filter((values) => values !== null);
  if (present.length === 0) return null;
  return present[0].map((_, i) =>
    present.reduce((total, values) => total + (Number.isNaN(values[i]) ? 0 : values[i]), 0),
  );
}

const cached = (key, compute) => (curve, state) =>
  curve.derived(`${key}/${state.meter}`, () => compute(curve, state));

// Every axis grows with the rounds.
export const AXES = [
  { key: "round", label: "Rounds", of: column("round"), text: format.number, whole: true },
  { key: "epoch", label: "Epochs", of: column("epoch"), text: format.number },
  {
    key: "up",
    label: "Bits up per worker",
    short: "Bits up",
    text: format.bits,
    of: cached("up", (curve, { meter }) => traffic(curve, "uplink", meter)),
  },
  {
    key: "total",
    label: "Bits up and down per worker",
    short: "Bits total",
    text: format.bits,
    of: cached("total", (curve, { meter }) => {
      const down = traffic(curve, "downlink", meter);
      return down && map(traffic(curve, "uplink", meter), (bits, i) => bits + down[i]);
    }),
  },
  {
    key: "seconds",
    label: "Seconds, measured",
    short: "Seconds",
    text: format.seconds,
    of: cached("seconds", (curve) =>
      sum(
        ...["gradient", "aggregate", "order", "other"].map((part) =>
          curve.column(`seconds_${part}`),
        ),
      ),
    ),
  },
  {
    key: "predicted",
    label: "Seconds of the messages on the network below",
    short: "Seconds on the network",
    text: format.seconds,
    of: (curve, { network }) => networkSeconds(curve, network),
  },
  {
    key: "job",
    label: "Seconds of messages and measured gradients",
    text: format.seconds,
    of: (curve, { network }) => {
      const messages = networkSeconds(curve, network);
      return messages && sum(messages, curve.column("seconds_gradient_per_worker"));
    },
  },
];
export const axisOf = (key) => AXES.find((axis) => axis.key === key) ?? AXES[0];
export const axesOf = (curves, state) =>
  AXES.filter(({ of }) => curves.some((curve) => of(curve, state) !== null));

export const last = (values) => (values && values.length > 0 ? values[values.length - 1] : NaN);

// The first row that meets the target; -1 if none does. A run that diverged may have met it before.
export function rowAtTarget(curve, metric, value) {
  const values = metric.of(curve);
  if (!values) return -1;
  return values.findIndex((one) => (metric.most ? one >= value : one <= value));
}

// What a configuration set as its target ("grad_norm2 <= 1e-8"), or null.
export function configuredTarget(methods, metrics) {
  for (const { settings } of methods) {
    const found = /^(\w+) <= (\S+)$/.exec(settings.until ?? "");
    const key = found?.[1] === "loss_gap" ? "excess" : found?.[1];
    if (key && metrics.some((metric) => metric.key === key))
      return { key, value: Number(found[2]) };
  }
  return null;
}

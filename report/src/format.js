// SPDX-License-Identifier: Apache-2.0
// Numbers for people.

const PREFIXES = ["", "k", "M", "G", "T", "P"];

// Four significant digits, with an exponent where that is shorter.
export function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "-";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e6 || size < 1e-3)) {
    return value
      .toExponential(3)
      .replace(/\.?0+e/, "e")
      .replace("e+", "e");
  }
  return String(Number(value.toPrecision(4)));
}

export function withPrefix(value, unit) {
  if (value === null || !Number.isFinite(value)) return "-";
  let prefix = 0;
  let scaled = value;
  while (Math.abs(scaled) >= 999.5 && prefix + 1 < PREFIXES.length) {
    scaled /= 1000;
    prefix += 1;
  }
  return `${Number(scaled.toPrecision(3))} ${PREFIXES[prefix]}${unit}`;
}

export const bits = (value) => withPrefix(value, "bit");
export const bandwidth = (value) => withPrefix(value, "bit/s");
export const percent = (value) => (Number.isFinite(value) ? `${number(100 * value)} %` : "-");

export function seconds(value) {
  if (value === null || !Number.isFinite(value)) return "-";
  if (value >= 7200) return `${Number((value / 3600).toPrecision(3))} h`;
  if (value >= 120) return `${Number((value / 60).toPrecision(3))} min`;
  if (value >= 1 || value === 0) return `${Number(value.toPrecision(3))} s`;
  if (value >= 1e-3) return `${Number((value * 1e3).toPrecision(3))} ms`;
  return `${Number((value * 1e6).toPrecision(3))} us`;
}

// "1e-8", "0.5 "; null if it is no number.
export function parseNumber(text) {
  const trimmed = text.trim();
  if (trimmed === "") return null;
  const value = Number(trimmed);
  return Number.isFinite(value) ? value : null;
}

// SPDX-License-Identifier: Apache-2.0
// Which points of a curve to draw: of all that fall into one column of pixels the first, the
// lowest, the highest and the last. The picture is the same as with all points, and takes time for
// the width of the chart, not for the length of the run. Where columns are crowded, the spans from
// lowest to highest are all there is to see, and rectangles are much faster to paint than lines.

// Indices of xs in [from, to), increasing. `columnOf` maps an x to its column; xs does not
// decrease.
// A point whose y is NaN ends a line: one such index stands for each gap.
export function keptIndices(xs, ys, from, to, columnOf) {
  const kept = [];
  let i = from;
  while (i < to) {
    if (Number.isNaN(ys[i])) {
      if (kept.length > 0 && !Number.isNaN(ys[kept[kept.length - 1]])) kept.push(i);
      i += 1;
      continue;
    }
    const column = columnOf(xs[i]);
    const first = i;
    let lowest = i;
    let highest = i;
    do {
      if (ys[i] < ys[lowest]) lowest = i;
      if (ys[i] > ys[highest]) highest = i;
      i += 1;
    } while (i < to && !Number.isNaN(ys[i]) && columnOf(xs[i]) === column);
    const last = i - 1;
    for (const index of [first, Math.min(lowest, highest), Math.max(lowest, highest), last]) {
      if (kept.length === 0 || index > kept[kept.length - 1]) kept.push(index);
    }
  }
  return kept;
}

// Calls span(column, low, high) for every column with points of [from, to): the least and the
// largest y, the last y of the column before included, so that spans touch as lines do.
export function eachSpan(xs, ys, from, to, columnOf, span) {
  let before = NaN;
  let i = from;
  while (i < to) {
    if (Number.isNaN(ys[i])) {
      before = NaN;
      i += 1;
      continue;
    }
    const column = columnOf(xs[i]);
    let low = Number.isNaN(before) ? ys[i] : Math.min(before, ys[i]);
    let high = Number.isNaN(before) ? ys[i] : Math.max(before, ys[i]);
    do {
      before = ys[i];
      if (before < low) low = before;
      if (before > high) high = before;
      i += 1;
    } while (i < to && !Number.isNaN(ys[i]) && columnOf(xs[i]) === column);
    span(column, low, high);
  }
}

// The first index whose x is at least `x`; xs does not decrease.
export function lowerBound(xs, x) {
  let low = 0;
  let high = xs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (xs[middle] < x) low = middle + 1;
    else high = middle;
  }
  return low;
}

// Half-open range of indices that a chart from `low` to `high` shows: one point more on each side,
// so that lines leave the chart where they do.
export function visibleRange(xs, low, high) {
  const from = Math.max(0, lowerBound(xs, low) - 1);
  let to = lowerBound(xs, high);
  while (to < xs.length && xs[to] <= high) to += 1;
  return [from, Math.min(xs.length, to + 1)];
}

// SPDX-License-Identifier: Apache-2.0
// What is drawn of a curve looks like the whole curve.
import assert from "node:assert/strict";
import { test } from "node:test";
import { eachSpan, keptIndices, lowerBound, visibleRange } from "../../report/src/decimate.js";

// A curve of many points with a spike somewhere, deterministic.
function spiky(count) {
  const xs = Float64Array.from({ length: count }, (_, i) => i);
  const ys = Float64Array.from(
    { length: count },
    (_, i) => Math.sin(i / 50) + ((i * 7919) % 101) / 200,
  );
  ys[777] = 100;
  ys[778] = -100;
  return { xs, ys };
}

test("the lowest and the highest point of every column are kept", () => {
  const { xs, ys } = spiky(10000);
  const columnOf = (x) => Math.floor(x / 25);
  const kept = keptIndices(xs, ys, 0, xs.length, columnOf);
  assert.ok(kept.length <= 4 * 400);
  for (let column = 0; column < 400; column += 1) {
    const all = ys.slice(25 * column, 25 * (column + 1));
    const drawn = kept.filter((i) => columnOf(xs[i]) === column).map((i) => ys[i]);
    assert.equal(Math.max(...drawn), Math.max(...all));
    assert.equal(Math.min(...drawn), Math.min(...all));
  }
  assert.ok(kept.includes(777) && kept.includes(778));
});

test("indices increase, and the first and the last point are kept", () => {
  const { xs, ys } = spiky(1000);
  const kept = keptIndices(xs, ys, 3, 900, (x) => Math.floor(x / 100));
  assert.deepEqual(
    kept,
    [...new Set(kept)].sort((a, b) => a - b),
  );
  assert.equal(kept[0], 3);
  assert.equal(kept[kept.length - 1], 899);
});

test("a curve with fewer points than columns is kept whole", () => {
  const { xs, ys } = spiky(20);
  assert.deepEqual(
    keptIndices(xs, ys, 0, 20, (x) => x),
    [...xs],
  );
});

test("a gap stays a gap", () => {
  const xs = [0, 1, 2, 3, 4, 5, 6];
  const ys = [NaN, 1, 2, NaN, NaN, 3, NaN];
  const kept = keptIndices(xs, ys, 0, 7, () => 0);
  assert.deepEqual(kept, [1, 2, 3, 5, 6]);
});

test("what a chart shows has a neighbour on each side", () => {
  const xs = [0, 10, 20, 20, 30, 40];
  assert.deepEqual(visibleRange(xs, 12, 20), [1, 5]);
  assert.deepEqual(visibleRange(xs, -5, 100), [0, 6]);
  assert.deepEqual(visibleRange(xs, 50, 60), [5, 6]);
  assert.equal(lowerBound(xs, 20), 2);
  assert.equal(lowerBound(xs, 41), 6);
});

test("spans reach from the lowest to the highest point and touch", () => {
  const { xs, ys } = spiky(10000);
  const columnOf = (x) => Math.floor(x / 25);
  let last = NaN;
  let columns = 0;
  eachSpan(xs, ys, 0, xs.length, columnOf, (column, low, high) => {
    const all = [...ys.slice(25 * column, 25 * (column + 1))];
    const touched = Number.isNaN(last) ? all : [...all, last];
    assert.equal(low, Math.min(...touched));
    assert.equal(high, Math.max(...touched));
    last = all[all.length - 1];
    columns += 1;
  });
  assert.equal(columns, 400);
});

test("spans do not cross a gap", () => {
  const spans = [];
  eachSpan(
    [0, 1, 2, 3],
    [1, NaN, 5, 6],
    0,
    4,
    (x) => x,
    (...span) => spans.push(span),
  );
  assert.deepEqual(spans, [
    [0, 1, 1],
    [2, 5, 5],
    [3, 5, 6],
  ]);
});

test("a scale that is not there yet ends, too", () => {
  const nowhere = () => NaN;
  assert.deepEqual(keptIndices([0, 1], [1, 2], 0, 2, nowhere), [0, 1]);
  let calls = 0;
  eachSpan([0, 1], [1, 2], 0, 2, nowhere, () => {
    calls += 1;
  });
  assert.equal(calls, 2);
});

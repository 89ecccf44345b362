// SPDX-License-Identifier: Apache-2.0
// The data of the page: runs, their methods, and the curves of a method, one per repeat. Columns
// are those of the record file (docs/report.md); one whose rows are all alike comes as one number.

const COLORS = [
  "#2f74b5",
  "#d9730d",
  "#2e8b57",
  "#c9352b",
  "#7d5bbe",
  "#8c6239",
  "#d2559b",
  "#6f7780",
  "#8a8a00",
  "#0f96a6",
];
const DASHES = [[], [7, 4], [2, 3], [10, 3, 2, 3]];

class Curve {
  constructor(method, series) {
    this.method = method;
    this.repeat = series.repeat;
    this.rows = series.rows;
    this.stopped = series.stopped;
    this.diverged = series.diverged;
    this.raw = series.columns;
    this.cache = new Map();
  }

  has(name) {
    const raw = this.raw[name];
    return raw !== undefined && raw !== null && this.rows > 0;
  }

  // Numbers by row, NaN where there is none; null if the method has no such column.
  column(name) {
    if (!this.has(name)) return null;
    return this.derived(name, () => {
      const raw = this.raw[name];
      if (!Array.isArray(raw)) return new Float64Array(this.rows).fill(raw);
      return Float64Array.from(raw, (value) => (value === null ? NaN : value));
    });
  }

  // What `compute` makes, once.
  derived(key, compute) {
    if (!this.cache.has(key)) this.cache.set(key, compute());
    return this.cache.get(key);
  }
}

function methodsOf(run, index, several, first) {
  const methods = new Map();
  for (const series of run.series) {
    if (!methods.has(series.method)) {
      const place = first + methods.size;
      methods.set(series.method, {
        key: `${index}/${series.method}`,
        name: series.method,
        label: several ? `${run.title}: ${series.method}` : series.method,
        spec: series.spec,
        run,
        color: COLORS[place % COLORS.length],
        dash: DASHES[Math.floor(place / COLORS.length) % DASHES.length],
        settings: settingsOf(run, series.method),
        curves: [],
      });
    }
    const method = methods.get(series.method);
    method.curves.push(new Curve(method, series));
  }
  return [...methods.values()];
}

function settingsOf(run, name) {
  const all = run.header?.config?.method;
  return (Array.isArray(all) && all.find((one) => one?.name === name)) || {};
}

// Runs of one name are told apart by their folders.
function titlesOf(runs) {
  const names = runs.map((run) => String(run.header?.config?.name ?? run.folder));
  return names.map((name, i) => {
    const again = names.some((other, j) => j !== i && other === name);
    if (!again) return name;
    const folders = runs.filter((run) => run.folder === runs[i].folder).length;
    return folders > 1 ? `${runs[i].folder} ${i + 1}` : runs[i].folder;
  });
}

export function readData(text) {
  const data = JSON.parse(text);
  const titles = titlesOf(data.runs);
  const methods = [];
  data.runs.forEach((run, i) => {
    run.title = titles[i];
    run.index = i;
    run.methods = methodsOf(run, i, data.runs.length > 1, methods.length);
    methods.push(...run.methods);
  });
  const curves = methods.flatMap((method) => method.curves);
  return { live: data.live, version: data.version, runs: data.runs, methods, curves };
}

// Workers that lie, of all workers; null without any.
export function adversaryShare(method) {
  const text = method.settings.adversary;
  const workers = method.settings.workers;
  if (typeof text !== "string" || text === "none" || !(workers > 0)) return null;
  const count = /[:,]count=(\d+)/.exec(text);
  return { text, share: count ? Number(count[1]) / workers : null };
}

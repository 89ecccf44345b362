// SPDX-License-Identifier: Apache-2.0
// Charts as SVG: a context of the kind that a canvas has, as far as charts use it, which writes down
// what is drawn instead of painting it.

const NUMBER = 1; // digits behind the point of a coordinate: tenths of a pixel
const short = (value) => String(Number(value.toFixed(NUMBER)));
const escaped = (text) =>
  String(text).replace(/[&<>"]/g, (one) => `&#${one.codePointAt(0)};`);
const attributes = (all) =>
  Object.entries(all)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => ` ${name}="${escaped(value)}"`)
    .join("");

const ANCHORS = { left: "start", start: "start", center: "middle", right: "end", end: "end" };
// Shares of the size of a font by which the baseline lies below the point that was given.
const BASELINES = { top: 0.8, hanging: 0.8, middle: 0.3, alphabetic: 0, bottom: -0.2 };

const INITIAL = {
  matrix: [1, 0, 0, 1, 0, 0],
  within: null, // of clips
  fillStyle: "#000",
  strokeStyle: "#000",
  globalAlpha: 1,
  lineWidth: 1,
  lineJoin: "miter",
  lineCap: "butt",
  dash: [],
  font: "10px sans-serif",
  textAlign: "start",
  textBaseline: "alphabetic",
};

export class SvgContext {
  constructor() {
    Object.assign(this, INITIAL);
    this.saved = [];
    this.parts = []; // {within, text}
    this.clips = [];
    this.path = "";
  }

  save() {
    this.saved.push(
      Object.fromEntries(Object.keys(INITIAL).map((property) => [property, this[property]])),
    );
  }
  restore() {
    Object.assign(this, this.saved.pop());
  }
  translate(x, y) {
    const [a, b, c, d, e, f] = this.matrix;
    this.matrix = [a, b, c, d, e + a * x + c * y, f + b * x + d * y];
  }
  scale(factor) {
    const [a, b, c, d, e, f] = this.matrix;
    this.matrix = [a * factor, b * factor, c * factor, d * factor, e, f];
  }
  rotate(angle) {
    const [a, b, c, d, e, f] = this.matrix;
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    this.matrix = [a * cos + c * sin, b * cos + d * sin, c * cos - a * sin, d * cos - b * sin, e, f];
  }
  // By which lengths are larger than they were given.
  factor() {
    return Math.hypot(this.matrix[0], this.matrix[1]);
  }
  place(x, y) {
    const [a, b, c, d, e, f] = this.matrix;
    return `${short(a * x + c * y + e)} ${short(b * x + d * y + f)}`;
  }

  beginPath() {
    this.path = "";
  }
  moveTo(x, y) {
    this.path += `M${this.place(x, y)}`;
  }
  lineTo(x, y) {
    this.path += `L${this.place(x, y)}`;
  }
  rect(x, y, width, height) {
    this.moveTo(x, y);
    this.lineTo(x + width, y);
    this.lineTo(x + width, y + height);
    this.lineTo(x, y + height);
    this.path += "Z";
  }
  // Whole circles only: charts draw no other arcs.
  arc(x, y, radius) {
    const half = `A${short(radius)} ${short(radius)} 0 0 1 `;
    this.moveTo(x - radius, y);
    this.path += `${half}${this.place(x + radius, y)}${half}${this.place(x - radius, y)}Z`;
  }
  clip() {
    if (!this.clips.includes(this.path)) this.clips.push(this.path);
    this.within = this.clips.indexOf(this.path);
  }
  setLineDash(lengths) {
    this.dash = lengths;
  }

  stroke() {
    this.put("path", {
      d: this.path,
      fill: "none",
      stroke: this.strokeStyle,
      "stroke-width": short(this.lineWidth * this.factor()),
      "stroke-linejoin": this.lineJoin === "miter" ? null : this.lineJoin,
      "stroke-linecap": this.lineCap === "butt" ? null : this.lineCap,
      "stroke-dasharray": this.dash.length > 0 ? this.dash.map((one) => short(one * this.factor())).join(" ") : null,
    });
  }
  fill() {
    this.put("path", { d: this.path, fill: this.fillStyle });
  }
  fillRect(x, y, width, height) {
    this.beginPath();
    this.rect(x, y, width, height);
    this.fill();
  }
  clearRect() {}
  fillText(text, x, y) {
    if (text === "") return;
    const [, size, family] = /([\d.]+)px (.*)$/.exec(this.font);
    const [a, b] = this.matrix;
    const [px, py] = this.place(x, y + BASELINES[this.textBaseline] * Number(size)).split(" ");
    const degrees = (Math.atan2(b, a) / Math.PI) * 180;
    this.put(
      "text",
      {
        x: px,
        y: py,
        transform: degrees === 0 ? null : `rotate(${short(degrees)} ${px} ${py})`,
        "font-family": family,
        "font-size": short(Number(size) * this.factor()),
        "text-anchor": ANCHORS[this.textAlign],
        fill: this.fillStyle,
      },
      text,
    );
  }

  put(name, properties, text = null) {
    const all = { ...properties, opacity: this.globalAlpha === 1 ? null : this.globalAlpha };
    const body = text === null ? "/>" : `>${escaped(text)}</${name}>`;
    this.parts.push({ within: this.within, text: `<${name}${attributes(all)}${body}` });
  }

  // The picture of `width` times `height` units of the context, shown at 1/scale.
  picture({ width, height, scale, background, description }) {
    const clips = this.clips.map((path, i) => `<clipPath id="clip${i}"><path d="${path}"/></clipPath>`);
    const parts = this.parts.map(({ within, text }) =>
      within === null ? text : `<g clip-path="url(#clip${within})">${text}</g>`,
    );
    const size = {
      width: short(width / scale),
      height: short(height / scale),
      viewBox: `0 0 ${short(width)} ${short(height)}`,
    };
    return [
      `<svg xmlns="http://www.w3.org/2000/svg"${attributes(size)} role="img">`,
      `<title>${escaped(description)}</title>`,
      ...(clips.length > 0 ? [`<defs>${clips.join("")}</defs>`] : []),
      `<rect width="100%" height="100%"${attributes({ fill: background })}/>`,
      ...parts,
      "</svg>",
      "",
    ].join("\n");
  }
}

// What make() asks for as contexts of canvases is this one.
export function drawingOn(context, make) {
  const { getContext } = HTMLCanvasElement.prototype;
  HTMLCanvasElement.prototype.getContext = () => context;
  try {
    return make();
  } finally {
    HTMLCanvasElement.prototype.getContext = getContext;
  }
}

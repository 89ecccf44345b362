// SPDX-License-Identifier: Apache-2.0
// The list of methods: each can be switched off and highlighted. What a reader chose is kept by key
// when newer data come.

import { byId, element } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";

function lineSample({ color, dash }) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("width", "28");
  svg.setAttribute("height", "10");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(SVG, "line");
  const attributes = {
    x1: 0,
    x2: 28,
    y1: 5,
    y2: 5,
    stroke: color,
    "stroke-width": 3,
    "stroke-dasharray": dash.join(" "),
  };
  for (const [name, value] of Object.entries(attributes)) line.setAttribute(name, value);
  svg.append(line);
  return svg;
}

export class MethodList {
  // onChange: others are shown; onHighlight(key): null for none.
  constructor({ onChange, onHighlight }) {
    this.off = new Set();
    this.pinned = null;
    this.hovered = null;
    this.onChange = onChange;
    this.onHighlight = onHighlight;
    byId("all").addEventListener("click", () => this.switchAll(true));
    byId("none").addEventListener("click", () => this.switchAll(false));
  }

  get highlighted() {
    return this.hovered ?? this.pinned;
  }

  shown(method) {
    return !this.off.has(method.key);
  }

  hover(key) {
    this.hovered = key;
    this.mark();
  }

  show(methods) {
    const same =
      this.methods?.length === methods.length &&
      methods.every(({ key }, i) => this.methods[i].key === key);
    this.methods = methods;
    if (same) return; // what has the focus keeps it
    this.fill();
  }

  fill() {
    const { methods } = this;
    byId("method-list").replaceChildren(...methods.map((method) => this.item(method)));
    this.mark();
  }

  item(method) {
    const box = element("input", { type: "checkbox", checked: this.shown(method) });
    box.addEventListener("change", () => {
      if (box.checked) this.off.delete(method.key);
      else this.off.add(method.key);
      this.onChange();
    });
    const pin = element(
      "button",
      {
        type: "button",
        className: "pin",
        "aria-pressed": "false",
        "aria-label": `highlight ${method.label}`,
      },
      "highlight",
    );
    pin.addEventListener("click", () => {
      this.pinned = this.pinned === method.key ? null : method.key;
      this.mark();
    });
    const item = element(
      "li",
      { title: method.spec },
      element(
        "label",
        {},
        box,
        lineSample(method),
        element("span", { className: "name" }, method.label),
      ),
      pin,
    );
    item.dataset.key = method.key;
    item.addEventListener("mouseenter", () => this.hover(method.key));
    item.addEventListener("mouseleave", () => this.hover(null));
    return item;
  }

  switchAll(on) {
    this.off = on ? new Set() : new Set(this.methods.map(({ key }) => key));
    this.fill();
    this.onChange();
  }

  mark() {
    for (const item of byId("method-list").children) {
      item.classList.toggle("highlighted", item.dataset.key === this.highlighted);
      item
        .querySelector(".pin")
        .setAttribute("aria-pressed", String(item.dataset.key === this.pinned));
    }
    this.onHighlight(this.highlighted);
  }
}

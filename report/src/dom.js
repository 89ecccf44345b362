// SPDX-License-Identifier: Apache-2.0
// Elements from texts. Texts of a run are set as text, never as HTML: this is the only way in which
// the page makes elements.

export const byId = (id) => document.getElementById(id);

// element("td", {className: "number"}, "12", otherElement)
export function element(name, properties = {}, ...children) {
  const out = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role") out.setAttribute(key, value);
    else out[key] = value;
  }
  out.append(...children);
  return out;
}

// Options of a select; the chosen one stays chosen where it is still there. A select that has these
// options already is left alone: somebody may be looking at it.
export function fillSelect(select, options, chosen = select.value) {
  const wanted = JSON.stringify(options.map(({ key, label }) => [key, label]));
  if (select.dataset.options !== wanted) {
    select.replaceChildren(
      ...options.map(({ key, label }) => element("option", { value: key }, label)),
    );
    select.dataset.options = wanted;
  }
  select.value = options.some(({ key }) => key === chosen) ? chosen : (options[0]?.key ?? "");
  return select.value;
}

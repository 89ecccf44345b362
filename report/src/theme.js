// SPDX-License-Identifier: Apache-2.0
// Dark or light: as the system says, or as the reader chose. Paper is light.

import { byId } from "./dom.js";

// `redraw` is called when the colors of canvases change.
export function watchTheme(redraw) {
  const root = document.documentElement;
  const set = (theme) => {
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
    redraw();
  };
  byId("theme").addEventListener("change", () => set(byId("theme").value));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("beforeprint", () => set("light"));
  addEventListener("afterprint", () => set(byId("theme").value));
}

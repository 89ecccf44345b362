// SPDX-License-Identifier: Apache-2.0
// The network that the reader sets with two sliders, both logarithmic; at first that of the run.

import { byId } from "./dom.js";
import * as format from "./format.js";

const FALLBACK = { bandwidth: 1e8, latency: 1e-3 };

const configured = (runs) => {
  for (const { header } of runs) {
    const network = header?.config?.network;
    if (network?.bandwidth_bits_per_second > 0 && network.latency_seconds >= 0) {
      return { bandwidth: network.bandwidth_bits_per_second, latency: network.latency_seconds };
    }
  }
  return null;
};

export class NetworkControls {
  constructor({ onChange }) {
    this.touched = false;
    this.network = FALLBACK;
    for (const name of ["bandwidth", "latency"]) {
      byId(name).addEventListener("input", () => {
        this.touched = true;
        this.network = { ...this.network, [name]: 10 ** Number(byId(name).value) };
        this.label();
        onChange();
      });
    }
    byId("network-reset").addEventListener("click", () => {
      this.touched = false;
      this.set(this.original ?? FALLBACK);
      onChange();
    });
  }

  show(runs) {
    this.original = configured(runs);
    if (!this.touched) this.set(this.original ?? FALLBACK);
  }

  // Exactly this network, also where the sliders have no such step.
  set(network) {
    this.network = network;
    byId("bandwidth").value = Math.log10(network.bandwidth);
    byId("latency").value = Math.log10(Math.max(1e-7, network.latency));
    this.label();
  }

  label() {
    const texts = {
      bandwidth: format.bandwidth(this.network.bandwidth),
      latency: format.seconds(this.network.latency),
    };
    for (const [name, text] of Object.entries(texts)) {
      byId(`${name}-text`).textContent = text;
      byId(name).setAttribute("aria-valuetext", text);
    }
    byId("network-reset").hidden = !this.touched;
    byId("network-reset").textContent = this.original ? "as in the run" : "as at first";
  }
}

// SPDX-License-Identifier: Apache-2.0
// Newer data from `laconic watch` while the run goes on. What is over stays as it is.

import { readData } from "./data.js";
import { byId } from "./dom.js";

const PAUSE_MILLISECONDS = 1000;

export function follow(page) {
  const status = byId("live");
  status.hidden = false;
  status.textContent = "The run goes on; this page follows it.";
  let tag = "";
  const ask = async () => {
    try {
      const answer = await fetch("data.json", {
        headers: tag ? { "If-None-Match": tag } : {},
        cache: "no-store",
      });
      if (answer.status === 200) {
        tag = answer.headers.get("ETag") ?? "";
        const data = readData(await answer.text());
        page.show(data);
        if (!data.live) {
          status.textContent = "The run has ended.";
          return;
        }
      }
    } catch {
      status.textContent = "laconic watch has ended; this is what it said last.";
      return;
    }
    setTimeout(ask, PAUSE_MILLISECONDS);
  };
  setTimeout(ask, PAUSE_MILLISECONDS);
}

// SPDX-License-Identifier: Apache-2.0
// One HTML file, in ASCII, for browsers of the last years.
import { defineConfig } from "vite";
import { viteSingleFile } from "vite-plugin-singlefile";

export default defineConfig({
  plugins: [viteSingleFile()],
  esbuild: { charset: "ascii", legalComments: "none" },
  build: { target: "es2022", modulePreload: false, reportCompressedSize: false },
});

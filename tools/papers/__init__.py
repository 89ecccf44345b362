# SPDX-License-Identifier: Apache-2.0
"""The sections of docs/results.md, paper by paper (tools/gallery)."""
from . import cd_grab, laser, networks, quantized_adagrad, signsgd, three_pc

PAPERS = [module.PAPER for module in (signsgd, three_pc, quantized_adagrad, cd_grab, laser, networks)]

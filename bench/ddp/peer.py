#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One rank of a data-parallel training with PyTorch's DistributedDataParallel (Gloo), for step times. Started once on
every host by `tools/netlab each`, which says who is who; rank 0 prints a line of JSON.

    peer.py --model perceptron --method dense --batch 32 --steps 20

Methods: none (every rank for itself: the time of a gradient), dense, fp16, powersgd (rank 4).
Needs PyTorch; on Debian: apt-get install --no-install-recommends python3-torch
"""
import argparse
import datetime
import json
import os
import pathlib
import statistics
import sys
import time

import torch
import torch.distributed as dist
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks, powerSGD_hook
from torch.nn.parallel import DistributedDataParallel

import models

METHODS = ("none", "dense", "fp16", "powersgd")
WARM_UP = 5  # PowerSGD starts in the third step


def distributed(model, method):
    if method == "none":
        return model
    if method == "powersgd":
        # With several buckets this version's hook aborts, and the first bucket is small unless told otherwise.
        dist._DEFAULT_FIRST_BUCKET_BYTES = 1 << 30
        out = DistributedDataParallel(model, bucket_cap_mb=1000)
        state = powerSGD_hook.PowerSGDState(process_group=None, matrix_approximation_rank=4, start_powerSGD_iter=2)
        out.register_comm_hook(state, powerSGD_hook.powerSGD_hook)
        return out
    out = DistributedDataParallel(model)
    if method == "fp16":
        out.register_comm_hook(None, default_hooks.fp16_compress_hook)
    return out


def sent_bytes():
    """What this host has sent, without the headers of large segments that the link cuts later."""
    interface = os.environ["LACONIC_NETLAB_INTERFACE"]
    return int(pathlib.Path(f"/sys/class/net/{interface}/statistics/tx_bytes").read_text())


def steps(options, plain, rank):
    """Seconds of every step, and bytes that they sent."""
    model = distributed(plain, options.method)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(rank)
    times = []
    before = 0
    for step in range(WARM_UP + options.steps):
        if step == WARM_UP:
            before = sent_bytes()
        x, y = models.batch(options.model, options.batch, generator)
        start = time.monotonic()
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        if step >= WARM_UP:
            times.append(time.monotonic() - start)
    return times, sent_bytes() - before


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=models.MODELS, required=True)
    parser.add_argument("--method", choices=METHODS, default="dense")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rank, size = int(os.environ["LACONIC_NETLAB_RANK"]), int(os.environ["LACONIC_NETLAB_SIZE"])
    os.environ["GLOO_SOCKET_IFNAME"] = os.environ["LACONIC_NETLAB_INTERFACE"]
    os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = os.environ["LACONIC_NETLAB_FIRST"], "29500"
    dist.init_process_group("gloo", rank=rank, world_size=size, timeout=datetime.timedelta(minutes=5))
    torch.manual_seed(1)
    model = models.MODELS[options.model]()
    times, sent = steps(options, model, rank)
    dist.barrier()
    if rank == 0:
        print(json.dumps({"model": options.model, "method": options.method, "batch": options.batch,
                          "steps": options.steps, "numbers": sum(p.numel() for p in model.parameters()),
                          "step_seconds": statistics.median(times), "fastest_seconds": min(times),
                          "slowest_seconds": max(times), "sent_bytes": sent / options.steps}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

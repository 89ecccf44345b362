#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Step times on slow links: PyTorch's DistributedDataParallel beside laconic's synchronizer, and beside what
`laconic plan` predicts. Hosts and links are those of tools/netlab, so it needs root; run it on an idle machine.

    sudo bench/ddp/step_times.py --out FILE                     everything; measurements as lines of JSON in FILE
    sudo bench/ddp/step_times.py --no-peer --models perceptron  laconic alone, without PyTorch
    bench/ddp/step_times.py --table FILE                        Markdown from these lines
    bench/ddp/step_times.py --table FILE --within 25            and exit code 1 where a prediction is off by more

The gradient's time is measured with PyTorch, on all hosts at once; laconic's ranks sleep that long in place of
computing (--gradient where there is no peer). All hosts share the cores of one machine; laconic plan measures how much
that slows codecs down.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

from shapes import SHAPES

ROOT = pathlib.Path(__file__).resolve().parents[2]
NETLAB = ROOT / "tools" / "netlab"
# Examples per rank: a batch of 32 of the GPT takes two cores four seconds, and hides the network.
BATCH = {"gpt": 4}
PEERS = ("dense", "fp16", "powersgd")
METHODS = ("dense:shards={0}", "dense:sum=fast", "vote:beta=0.9,shards={0}",
           "mirror:down=(ef21:topk:k=0.01):ef21:topk:k=0.01", "lowrank:rank=4")


def environment():
    """One thread per rank, and OpenBLAS kernels for this processor: version 0.3.21 takes newer ones for a Prescott."""
    flags = pathlib.Path("/proc/cpuinfo").read_text()
    core = "SkylakeX" if "avx512f" in flags else "Haswell" if "avx2" in flags else ""
    out = dict(os.environ, OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", PYTHONDONTWRITEBYTECODE="1")
    if core:
        out["OPENBLAS_CORETYPE"] = core
    return out


def netlab(options, *arguments):
    """Its standard output; ends with what went wrong."""
    done = subprocess.run([NETLAB, "--lab", options.lab, *map(str, arguments)], capture_output=True, text=True,
                          env=environment(), check=False)
    if done.returncode != 0:
        raise SystemExit(f"netlab {' '.join(map(str, arguments))}: exit code {done.returncode}\n"
                         f"{done.stdout}{done.stderr}")
    print(done.stderr, end="", file=sys.stderr)
    return done.stdout


def batch_of(options, model):
    return options.batch or BATCH.get(model, 32)


def json_line(text):
    return json.loads(next(line for line in text.splitlines() if line.startswith("{")))


def peer(options, model, method):
    return json_line(netlab(options, "each", options.python, ROOT / "bench/ddp/peer.py", "--model", model, "--method",
                            method, "--batch", batch_of(options, model), "--steps", options.steps))


def laconic(options, model, rate, gradient_seconds):
    methods = [word for method in options.methods for word in ("--method", method.format(options.hosts))]
    return json_line(netlab(options, "exec", options.program, "plan", "--tensors", SHAPES[model](), "--gradient",
                            f"{gradient_seconds:.6f}s", "--bandwidth", rate, "--verify", options.steps, "--json", *methods))


def trained(options, model, method):
    """With laconic::torch::GradientSynchronizer, behind a real backward pass."""
    return json_line(netlab(options, "exec", options.trainer, model, method.format(options.hosts),
                            batch_of(options, model), options.steps))


def measure(options, put):
    for rate in options.rates:
        netlab(options, "up", options.hosts, rate)
        try:
            for model in options.models:
                facts = {"rate": rate, "hosts": options.hosts, "load": os.getloadavg()[0]}
                gradient = options.gradient
                if options.peer:
                    alone = peer(options, model, "none")
                    gradient = alone["step_seconds"]
                    put({**facts, "by": "peer", **alone})
                    for method in PEERS:
                        put({**facts, "by": "peer", **peer(options, model, method)})
                if options.trainer:
                    for method in ("noop", *options.methods):
                        put({**facts, "by": "trainer", **trained(options, model, method)})
                put({**facts, "by": "laconic", "model": model, **laconic(options, model, rate, gradient)})
        finally:
            netlab(options, "down")


def rows_of(line):
    """(method, step, predicted, bytes) of a line; seconds and bytes, None where there is none."""
    if line["by"] == "trainer":
        return [(f"laconic `{line['method']}`", line["step_seconds"], None, line["sent_bytes"])]
    if line["by"] == "peer":
        name = {"none": "DDP's gradient alone"}.get(line["method"], f"DDP {line['method']}")
        return [(name, line["step_seconds"], None, line["sent_bytes"])]
    return [(f"`{method['aggregator']}`", method["measured"]["step_seconds"], method["step_seconds"],
             method["link_bytes"]) for method in line["methods"] if method["measured"]]


def megabytes(count):
    return f"{count / 1e6:.3g}" if count >= 1000 else "0"


def place_of(line):
    return f"{line['model']}, {line['hosts']} x {line['rate']}"


def grid(lines, text):
    """A row per method, a column per model and network."""
    places = list(dict.fromkeys(place_of(line) for line in lines))
    cells = {(row[0], place_of(line)): text(row) for line in lines for row in rows_of(line)}
    methods = list(dict.fromkeys(method for method, _ in cells))
    out = ["| method | " + " | ".join(places) + " |", "|---" + "|---:" * len(places) + "|"]
    return out + ["| " + " | ".join([method] + [cells.get((method, place), "") for place in places]) + " |" for method in methods]


def table(lines):
    out = ["Milliseconds per step (megabytes that left rank 0):", ""]
    out += grid([line for line in lines if line["by"] != "laconic"], lambda row: f"{row[1] * 1e3:.1f} ({megabytes(row[3])})")
    plans = [line for line in lines if line["by"] == "laconic"]
    if plans:
        out += ["", "`laconic plan --verify`: measured milliseconds per step, and by how much the prediction was off:", ""]
        out += grid(plans, lambda row: f"{row[1] * 1e3:.1f} ({100 * (row[2] / row[1] - 1):+.0f} %)")
    return "\n".join(out)


def too_far(lines, percent):
    """Predictions that are off by more."""
    return [f"{place_of(line)}, {name}: {100 * (predicted / step - 1):+.0f} %" for line in lines
            for name, step, predicted, _ in rows_of(line) if predicted and abs(predicted / step - 1) > percent / 100]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", metavar="FILE", help="measure nothing")
    parser.add_argument("--within", type=float, metavar="PERCENT", help="with --table")
    parser.add_argument("--out", metavar="FILE", help="default: standard output")
    parser.add_argument("--program", default=str(ROOT / "build/release/laconic"))
    parser.add_argument("--python", default="/usr/bin/python3", help="the one that has PyTorch")
    parser.add_argument("--trainer", default=str(ROOT / "build/release/bench/laconic_bench_step"),
                        help="laconic with libtorch; empty: only laconic plan")
    parser.add_argument("--no-peer", dest="peer", action="store_false")
    parser.add_argument("--hosts", type=int, default=4)
    parser.add_argument("--rates", nargs="+", default=["100Mbit/s", "1Gbit/s"])
    parser.add_argument("--models", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, help="examples per rank; default 32, of the GPT 4")
    parser.add_argument("--gradient", type=float, default=0.0, metavar="SECONDS", help="with --no-peer")
    options = parser.parse_args()
    if options.table:
        lines = [json.loads(line) for line in pathlib.Path(options.table).read_text().splitlines()]
        print(table(lines))
        far = too_far(lines, options.within) if options.within is not None else []
        for place in far:
            print(f"further off than {options.within:g} %: {place}", file=sys.stderr)
        return 1 if far else 0
    options.lab = f"steps{os.getpid()}"
    out = open(options.out, "w", encoding="ascii") if options.out else sys.stdout
    measure(options, lambda line: print(json.dumps(line), file=out, flush=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())

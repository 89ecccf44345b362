#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/netlab: records of a job on two slow hosts are those of threads, the links carry what was counted, and
nothing is left behind. Ends with 77 where no labs can be made (no root, no namespaces).

    netlab.py --netlab tools/netlab --program LACONIC --config FILE
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HOSTS = 2
RATE_MBITS = 100
ROUNDS = (10, 60)  # their difference is looked at, so that what MPI says at its start cancels out
# What a link carries beyond the frames of the network model (docs/netlab.md): headers of the segments sent and
# acknowledgements of those received, at most one for each; segments that a full queue dropped; and per collective
# call the comparison of calls, MPI's envelopes and packets that are not full.
SEGMENT_BYTES = 1448
HEADER_BYTES = 66
RESENT = 0.02
CALL_BYTES = 1024


def run(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, **more)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def train(options, folder, rounds, lab=None):
    """Records without what a clock says, bytes that the model counts, and bytes that each host sent."""
    out = folder / f"{'lab' if lab else 'threads'}-{rounds}"
    # At 8 bit/s and without latency the predicted seconds are the bytes on the busiest link.
    settings = ["workers=2", f"rounds={rounds}", f"record_every={ROUNDS[0]}", "network.bandwidth=8bit/s",
                "network.latency=0s", "data=synthetic-images:rows=512,test_rows=64", "schedule=constant"]
    job = [options.program, "run", options.config, "--out", out, "--quiet"]
    job += [word for setting in settings for word in ("--set", setting)]
    sent = None
    if lab:
        counted = folder / f"bytes-{rounds}.json"
        run([options.netlab, "--lab", lab, "--bytes", counted, "exec", *job])
        sent = [host["sent"] for host in json.loads(counted.read_text())["hosts"]]
    else:
        run([*job, "--ranks", str(HOSTS)])
    lines = [json.loads(line) for line in (out / "records.jsonl").read_text().splitlines()]
    for line in lines:
        line.pop("seconds", None)
    methods = json.loads((out / "summary.json").read_text())["methods"]
    return lines, sum(method["predicted_network_seconds"] for method in methods), sent, len(methods)


def left_behind(lab):
    """Namespaces and processes of a lab."""
    names = run(["ip", "netns", "list"]).stdout.splitlines()
    names = [name for name in names if name.startswith(f"laconic-{lab}-")]
    places = []
    for process in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = process.read_bytes()
        except OSError:
            continue
        if f"laconic-{lab}-".encode() in text:
            places.append(text.replace(b"\0", b" ").decode(errors="replace"))
    return names + places


def check_bytes(few, many):
    model = many[1] - few[1]
    calls = 2 * many[3] * (ROUNDS[1] - ROUNDS[0])  # an uplink and a downlink per method and round
    # Records after the first are exchanges of their own: two at most for each, of a few numbers.
    calls += 2 * many[3] * (ROUNDS[1] // ROUNDS[0] - 1)
    most = model * (1 + 2 * HEADER_BYTES / SEGMENT_BYTES + RESENT) + calls * CALL_BYTES
    # The one server lives with the first of two workers: what either host sends is on the first one's link.
    sent = sum(many[2]) - sum(few[2])
    print(f"{sent} bytes sent, {model:.0f} counted, at most {most:.0f} expected")
    if not model < sent < most:
        raise SystemExit("the links do not carry what was counted")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--netlab", "--program", "--config"):
        parser.add_argument(name, required=True)
    options = parser.parse_args()
    ready = subprocess.run([options.netlab, "check"], capture_output=True, text=True, check=False)
    if ready.returncode != 0:
        print(f"skipped: {ready.stderr}")
        return 77
    lab = f"test{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="laconic-") as base:
        folder = pathlib.Path(base)
        before = set(pathlib.Path(base).iterdir())
        os.environ["TMPDIR"] = base
        try:
            print(run([options.netlab, "--lab", lab, "up", str(HOSTS), f"{RATE_MBITS}Mbit/s"]).stderr, end="")
            results = [train(options, folder, rounds, lab) for rounds in ROUNDS]
        finally:
            run([options.netlab, "--lab", lab, "down"])
        run([options.netlab, "--lab", lab, "down"])  # no error where nothing is
        for rounds, (lines, _, _, _) in zip(ROUNDS, results):
            expected, _, _, _ = train(options, folder, rounds)
            if lines[1:] != expected[1:] or len(lines) < 5:
                raise SystemExit(f"the records of {rounds} rounds differ from those of threads")
            if (lines[0]["ranks"], lines[0]["transport"]) != (HOSTS, "mpi"):
                raise SystemExit(f"not {HOSTS} MPI ranks: {lines[0]['ranks']}, {lines[0]['transport']}")
        check_bytes(*results)
        # The one-shot form cleans up after a command that fails, too, and hands on its exit code.
        failed = subprocess.run([options.netlab, "--lab", lab, "run-each", "2", "50Mbit/s", "sh", "-c", "exit 7"],
                                capture_output=True, text=True, check=False)
        rest = left_behind(lab) + [str(path) for path in set(folder.iterdir()) - before
                                   if "netlab" in path.name]
        if failed.returncode != 7 or rest:
            raise SystemExit(f"exit code {failed.returncode} in place of 7, or left behind: {rest}\n{failed.stderr}")
    print("netlab: the same records, the bytes that were counted, nothing left behind")
    return 0


if __name__ == "__main__":
    sys.exit(main())

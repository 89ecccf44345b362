#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The record files of one experiment, on 1, 2 and 4 thread ranks and on 2 and 4 MPI processes, are the same
bytes once the first line and the key `seconds` are removed.

    same_records.py --program LACONIC --config FILE [--mpirun MPIRUN --ranks-flag=-n] [--set KEY=VALUE]...

With --models the saved models are compared, too. With --covers KIND the file has to name every method of that kind
(`laconic list KIND`).
With --also KEY=VALUE the records are the same with that setting, too, on one thread.
Without the data set that FILE names (LACONIC_DATA is not set) it uses --fallback-data.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile


def comparable(folder):
    """The records as they have to be on any ranks, one canonical line each."""
    lines = (folder / "records.jsonl").read_text().splitlines()
    head = json.loads(lines[0])
    records = []
    for line in lines[1:]:
        record = json.loads(line)
        record.pop("seconds", None)
        records.append(json.dumps(record))
    models = sorted((folder / "models").glob("*.model"))
    return head, records + [f"{model.name}: {model.read_text()}" for model in models]


def mpi_environment(folder):
    """More ranks than cores, as root in a container, and a folder of its own for every job."""
    env = dict(os.environ)
    env.update({"OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_mpi_yield_when_idle": "1",
                "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "TMPDIR": str(folder)})
    env["ASAN_OPTIONS"] = "detect_leaks=0:" + env.get("ASAN_OPTIONS", "")  # MPI libraries leak by design
    return env


def left_out(program, kind, config):
    """The methods of a kind that the configuration does not name."""
    listing = subprocess.run([program, "list", kind], capture_output=True, text=True, check=True).stdout
    names = [line.split()[0] for line in listing.splitlines() if line.startswith("  ")]
    named = set(re.findall(r"[\w+-]+", pathlib.Path(config).read_text()))
    return [name for name in names if name not in named] if names else [f"nothing of kind {kind}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--config", required=True)
    parser.add_argument("--mpirun", default="")
    parser.add_argument("--ranks-flag", default="-n")
    parser.add_argument("--fallback-data", default="")
    parser.add_argument("--covers", default="")
    parser.add_argument("--models", action="store_true")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--also", action="append", default=[])
    options = parser.parse_args()
    if options.covers:
        missing = left_out(options.program, options.covers, options.config)
        if missing:
            print(f"{options.config} leaves out {', '.join(missing)}")
            return 1
    settings = list(options.settings)
    if options.fallback_data and "LACONIC_DATA" not in os.environ:
        settings.append(f"data={options.fallback_data}")
    print(f"{options.config}: data {settings[-1] if settings and settings[-1].startswith('data=') else 'of the file'}")
    changes = [word for setting in settings for word in ("--set", setting)]
    launches = [("threads", ranks, [options.program], ["--ranks", str(ranks)]) for ranks in (1, 2, 4)]
    if options.mpirun:
        launches += [("mpi", ranks, [options.mpirun, options.ranks_flag, str(ranks), options.program], [])
                     for ranks in (2, 4)]
    launches += [("threads", 1, [options.program], ["--ranks", "1", "--set", other]) for other in options.also]
    expected = None
    with tempfile.TemporaryDirectory(prefix="laconic-") as base:
        for number, (transport, ranks, command, more) in enumerate(launches):
            folder = pathlib.Path(base) / f"{transport}{ranks}-{number}"
            session = pathlib.Path(base) / f"s{number}"
            session.mkdir()
            command = command + ["run", options.config, "--out", str(folder), "--quiet"] + changes + more
            command += ["--save-model"] if options.models else []
            done = subprocess.run(command, env=mpi_environment(session), capture_output=True, text=True, timeout=600,
                                  check=False)
            if done.returncode != 0:
                print(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
                return 1
            head, records = comparable(folder)
            if head["ranks"] != ranks:
                print(f"asked for {ranks} ranks on {transport}, the record says {head['ranks']}")
                return 1
            if ranks > 1 and head["transport"] != transport:
                print(f"asked for {transport}, the record says {head['transport']}")
                return 1
            if len(records) < 10:
                print(f"only {len(records)} records: this compares nothing")
                return 1
            if expected is None:
                expected = records
            for place, (one, other) in enumerate(zip(expected, records)):
                if one != other:
                    print(f"record {place} differs between one thread and {ranks} ranks on {transport}:\n{one}\n{other}")
                    return 1
            if len(expected) != len(records):
                print(f"{len(records)} records on {ranks} ranks on {transport}, {len(expected)} on one thread")
                return 1
            print(f"{transport}, {ranks} ranks {' '.join(more)}: {len(records)} records, the same")
    return 0


if __name__ == "__main__":
    sys.exit(main())

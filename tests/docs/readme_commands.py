#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the commands of README.md, as they are written, in a folder of its own. Every line of its
```sh blocks has to be in DECISIONS below: run, or left out for a reason; a line that nobody has
decided about fails the test, and so does a decision about a line that is gone.

  readme_commands.py PROGRAM [--root FOLDER]
"""
import argparse
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import markdown

PROGRAM = "build/release/laconic"
QUICKSTART = f"{PROGRAM} run examples/generated-sign.toml"  # what ./quickstart runs at its end
A9A = f"{PROGRAM} run examples/a9a-sign.toml"


@dataclasses.dataclass(frozen=True)
class Run:
    after: tuple = ()  # commands that come first; none is run twice
    data: tuple = ()  # known data sets that have to be there
    tools: tuple = ()
    makes: tuple = ()  # files and folders that are there afterwards


@dataclasses.dataclass(frozen=True)
class LeaveOut:
    reason: str


DECISIONS = {
    "./quickstart": LeaveOut("installs packages and builds"),
    "./check": LeaveOut("runs this test"),
    f"{PROGRAM} report out/generated-sign out/a9a-sign --out both.html":
        Run(after=(QUICKSTART, A9A), data=("a9a",), makes=("both.html",)),
    f"{PROGRAM} watch out/a9a-sign": LeaveOut("serves a page until the run ends"),
    f"{PROGRAM} export out/generated-sign --format csv": Run(after=(QUICKSTART,)),
    f"{PROGRAM} data fetch a9a": LeaveOut("needs the network"),
    A9A: Run(data=("a9a",), makes=("out/a9a-sign/report.html",)),
    f"{PROGRAM} data fetch mnist": LeaveOut("needs the network"),
    f"{PROGRAM} run examples/mnist-sign.toml": LeaveOut("takes 20 seconds, and is the run before with other data"),
    f"mpirun -n 4 {PROGRAM} run examples/a9a-sign.toml --force":
        Run(after=(A9A,), data=("a9a",), tools=("mpirun",)),
    f"{PROGRAM} run experiments/3pc-golden.toml": LeaveOut("takes 40 seconds"),
    f"{PROGRAM} run experiments/qadagrad-a9a.toml --save-model":
        Run(data=("a9a",), makes=("out/qadagrad-a9a/models",)),
    f"{PROGRAM} predict out/qadagrad-a9a/models/6-thr-clip_eta=0.2.model a9a --scores scores.txt":
        Run(after=(f"{PROGRAM} run experiments/qadagrad-a9a.toml --save-model",), data=("a9a",),
            makes=("scores.txt",)),
    f"{PROGRAM} run examples/a9a-grab.toml": Run(data=("a9a",)),
    f"{PROGRAM} herding --workers 4,64": Run(),
    f"{PROGRAM} run examples/mnist-lenet.toml": LeaveOut("needs libtorch, and minutes"),
    f"{PROGRAM} plan --tensors 784x1024,1024,1024x10,10 --workers 4 --bandwidth 100Mbit/s": Run(),
    f"sudo tools/netlab run 4 100Mbit/s {PROGRAM} plan --tensors 784x1024,1024,1024x10,10 --verify 10":
        LeaveOut("needs root"),
}


def commands_of(text):
    """(number of the line, command) of every ```sh block, without comments."""
    for start, language, lines in markdown.blocks(text):
        if language != "sh":
            continue
        for number, line in enumerate(lines, start):
            command = re.sub(r"(?:^|\s+)#.*$", "", line).strip()
            if command:
                yield number, command


def undecided(text, decisions):
    commands = list(commands_of(text))
    for number, command in commands:
        if command not in decisions:
            yield f"README.md:{number}: nobody has decided about: {command}"
    for command in decisions:
        if command not in {c for _, c in commands}:
            yield f"README.md has no line any more that says: {command}"


class Runner:
    def __init__(self, program, root, folder):
        self.folder = pathlib.Path(folder)
        self.done = {}
        (self.folder / PROGRAM).parent.mkdir(parents=True)
        (self.folder / PROGRAM).symlink_to(pathlib.Path(program).resolve())
        for name in ("examples", "experiments"):
            (self.folder / name).symlink_to(pathlib.Path(root).resolve() / name)
        self.environment = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
                            "OMPI_MCA_rmaps_base_oversubscribe": "1"}

    def call(self, command):
        return subprocess.run(command, shell=True, executable="/bin/bash", cwd=self.folder, env=self.environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)

    def missing(self, decision):
        """Why it cannot be run here; empty if it can."""
        data = self.environment.get("LACONIC_DATA")
        for name in decision.data:
            if not data or not (pathlib.Path(data) / name).is_dir():
                return f"the data set {name} is not in $LACONIC_DATA"
        for name in decision.tools:
            if shutil.which(name) is None:
                return f"{name} is not installed"
        return ""

    def run(self, command):
        """What is wrong, after running the command and those before it; empty if nothing is."""
        if command in self.done:
            return self.done[command]
        decision = DECISIONS.get(command, Run())
        for before in decision.after:
            problem = self.run(before)
            if problem:
                self.done[command] = f"needs '{before}'"
                return self.done[command]
        begin = time.monotonic()
        result = self.call(command)
        problem = ""
        if result.returncode != 0:
            problem = f"exit code {result.returncode}\n{result.stdout}{result.stderr}"
        for name in decision.makes:
            if not problem and not (self.folder / name).exists():
                problem = f"does not make {name}"
        print(f"{'FAILED' if problem else 'passed'} in {time.monotonic() - begin:.1f} s: {command}", flush=True)
        self.done[command] = problem
        return problem


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--root", default=HERE.parents[1])
    options = parser.parse_args()
    text = (pathlib.Path(options.root) / "README.md").read_text(encoding="utf-8")
    problems = list(undecided(text, DECISIONS))
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(options.program, options.root, folder)
        for number, command in commands_of(text):
            decision = DECISIONS.get(command, LeaveOut("undecided"))
            why_not = decision.reason if isinstance(decision, LeaveOut) else runner.missing(decision)
            if why_not:
                print(f"left out, {why_not}: {command}")
                continue
            problem = runner.run(command)
            if problem:
                problems.append(f"README.md:{number}: {command}\n{problem}")
    for problem in problems:
        print(problem)
    print(f"readme: {len(problems)} findings")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

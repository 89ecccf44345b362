# SPDX-License-Identifier: Apache-2.0
"""What the papers' modules are made of: a finished run, tables, and how a paper's part of the page is described."""
import dataclasses
import json
import typing


@dataclasses.dataclass(frozen=True)
class Figure:
    """A chart of the run's report.html, by the settings of report/figure.mjs."""
    caption: str
    view: dict


@dataclasses.dataclass(frozen=True)
class Section:
    source: str  # a file of the repository, or a command of laconic that prints CSV
    title: str
    body: typing.Callable  # lines of Markdown from a Run, or from the path of the CSV
    figure: Figure | None = None

    @property
    def is_run(self):
        return self.source.endswith(".toml")


@dataclasses.dataclass(frozen=True)
class Paper:
    title: str
    claim: str  # what was published, and what ours says about it
    sections: list


def number(value, digits=3):
    if value is None:
        return "-"
    return f"{value:.{digits}g}"


def percent(value):
    return "-" if value is None else f"{100 * value:.2f} %"


class Run:
    """One finished run: its summary and its records."""

    def __init__(self, folder):
        self.folder = folder
        self.summary = json.loads((folder / "summary.json").read_text())
        lines = (folder / "records.jsonl").read_text().splitlines()
        self.records = [json.loads(line) for line in lines[1:]]

    def cells(self):
        lines = (self.folder / "cells.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines[1:]]

    def method(self, name):
        return next(m for m in self.summary["methods"] if m["name"] == name)

    def final(self, name, key="loss"):
        return self.method(name)["final"][key]

    def best(self, name, key="loss"):
        return self.method(name)["best"][key]

    def mean(self, name, first, last, key="loss"):
        values = [r[key] for r in self.records
                  if r.get("method") == name and "loss" in r and first <= r["round"] <= last and r[key] is not None]
        return sum(values) / len(values)


def table(header, rows):
    out = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return out + ["| " + " | ".join(row) + " |" for row in rows]


def finals(run, names, expected, key="loss"):
    rows = [[name, number(run.final(name, key)), value] for name, value in zip(names, expected)]
    return table(["method", "ours", "expected"], rows)


def median(values):
    values = sorted(values)
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2

# SPDX-License-Identifier: Apache-2.0
"""LASER: low-rank gradients over noisy channels."""
from .pages import Paper, Section, number, table


def share(value):
    return f"{100 * value:.1f}"


def by_power(run, published, shown=share, least=False):
    """A row per method, a column per power: the best value over the steps. published: method -> text per power."""
    powers = sorted({c["settings"]["power"] for c in run.cells() if "power" in c["settings"]})
    rows = []
    for name in dict.fromkeys(c["method"] for c in run.cells()):
        row = [name]
        theirs = published.get(name, [None] * len(powers))
        for power, text in zip(powers, theirs):
            cells = [c["value"] for c in run.cells() if c["method"] == name and c["value"] is not None and
                     c["settings"].get("power", power) == power]
            ours = shown((min if least else max)(cells)) if cells else "diverges"
            row.append(f"{ours} ({text})" if text else ours)
        rows.append(row)
    return table(["best step of each"] + [f"P = {power:g}" for power in powers], rows)


def e2(run):
    expected = {"LASER A r=4": ("20.9", "41.8", "55.0", "58.8"), "Random-K": ("26.8", "47.4", "56.9", "58.7"),
                "Z-SGD": ("14.4", "31.1", "50.1", "57.6"), "Sketch": ("15.2", "31.2", "48.4", "54.9"),
                "Sign": ("14.2", "27.4", "46.3", "55.6"), "SGD, noiseless": ("59.5",) * 4}
    return by_power(run, expected) + [
        "", "Test accuracy after 1500 rounds in %, in brackets the specification's pilot (another generator, +-2 points). On a linear "
        "model Random-K is at least as good as LASER, as published."]


def resnet18(run):
    published = {"LASER": ("88.5", "91.5", "91.5"), "Random-K 0.2": ("83.6", "88.4", "89.1"), "Z-SGD": ("79.0", "88.8", "92.1"),
                 "no noise": ("93",) * 3}
    return by_power(run, published) + [
        "", "Test accuracy in %, in brackets the published one with the whole network, 16 workers and 150 passes over 50,000 images; "
        "ours has a tenth of the channels, 3,600 images and 6 passes. What can agree is the order of the methods at a power."]


def gpt(run):
    return by_power(run, {}, number, least=True) + [
        "", "Training loss per character. Published perplexities of words with 124 million parameters: at P = 10k LASER 76, Z-SGD 212, Random-K "
        "282; at 160k 35, 71, 113; at 2.56M 33, 31, 48. What can agree is the order of the methods: powers of models of different sizes "
        "cannot be compared."]


PAPER = Paper(
    "LASER: low-rank gradients over noisy channels",
    "*Claims* (Makkuva et al., ICML 2024): where the gradients of all workers add up in the air and power is short, factors of low rank reach "
    "with a sixteenth of the power what uncompressed gradients reach; at high power everything works. *Ours*: holds on perceptrons; "
    "on linear models Random-K is better, as published. The specification's experiments E1 to E8, rule by rule, are on a page of "
    "their own: [results-laser.md](results-laser.md).",
    [
        Section("experiments/laser-e2.toml", "LASER E2: linear softmax over the air, 16 workers", e2),
        Section("experiments/laser-resnet18.toml", "LASER: ResNet-18 on 4,000 images of CIFAR-10 (real data)", resnet18),
        Section("experiments/laser-gpt.toml", "LASER: a GPT over the air (real data)", gpt),
    ])

# SPDX-License-Identifier: Apache-2.0
"""Networks of libtorch, and comparisons over all families."""
from .pages import Figure, Paper, Section, number, percent, table


def comparison(run):
    rows = []
    for m in run.summary["methods"]:
        rows.append([m["name"], percent(m["final"]["test_accuracy"]), number(m["final"]["loss"]),
                     f"{m['uplink']['payload_bits']:.4g}", f"{m['compression']['uplink']:.4g}x",
                     f"{m['downlink']['payload_bits']:.4g}", f"{m['compression']['downlink']:.4g}x",
                     number(m["predicted_network_seconds"])])
    return table(["method", "test accuracy", "loss", "uplink bits per worker", "", "downlink bits per worker", "",
                  "predicted s at 100 Mbit/s, 1 ms"], rows)


METRICS = [("test_perplexity", "test perplexity", number), ("test_smape", "sMAPE", lambda v: f"{v:.2f} %"),
           ("test_accuracy", "test accuracy", percent)]


def networks(run):
    """Every method of a network's run in the order of the file; of a sweep the best cells."""
    methods = run.summary["methods"]
    key, name, shown = next(m for m in METRICS if methods[0]["final"].get(m[0]) is not None)
    rows = [[m["name"], shown(m["final"][key]) if m["final"].get(key) is not None else m["status"],
             number(m["final"].get("test_loss")), number(m["final"]["loss"]),
             number(m["compression"]["uplink"]) + "x" if m["compression"]["uplink"] else "-",
             number(m["compression"]["downlink"]) + "x" if m["compression"]["downlink"] else "-"] for m in methods]
    rounds = f"{methods[0]['rounds']} rounds, {methods[0]['epochs']:.3g} passes over the data."
    return table(["method", name, "test loss", "training loss", "less up", "less down"], rows) + ["", rounds]


PAPER = Paper(
    "All families side by side",
    "The same budget of rounds for every method, dense beside it. One seed; steps are those of the file, not tuned for each method.",
    [
        Section("examples/generated-sign.toml", "Generated data: logistic regression, 8 workers", comparison,
                Figure("Loss against bits sent per worker.", {"metric": "loss", "axis": "up", "log-x": "yes"})),
        Section("examples/a9a-sign.toml", "a9a: logistic regression, 8 workers (real data)", comparison),
        Section("examples/mnist-sign.toml", "MNIST: perceptron with 64 hidden units, 7 workers (real data)", comparison,
                Figure("Test accuracy against bits sent per worker.", {"metric": "test_accuracy", "axis": "up", "log-x": "yes"})),
        Section("examples/mnist-lenet.toml", "LeNet on MNIST, 4 workers (real data)", networks),
        Section("examples/fashion-resnet20.toml", "ResNet-20 on Fashion-MNIST, 4 workers (real data)", networks),
        Section("examples/shakespeare-gpt.toml", "GPT on Shakespeare's characters, 4 workers (real data)", networks),
        Section("examples/shakespeare-lstm.toml", "LSTM on Shakespeare's characters, 4 workers (real data)", networks),
        Section("examples/m4-mlp.toml", "Autoregressive perceptron on M4 weekly, 4 workers (real data)", networks),
    ])

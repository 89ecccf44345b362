# SPDX-License-Identifier: Apache-2.0
"""Quantized gradients and sparse models by AdaGrad."""
from .pages import Figure, Paper, Section, table


def quantizer_of(method):
    """The name without the settings that a sweep has put behind it."""
    return method["name"].split(" eta=")[0]


def snr(run, method):
    """The mean over the records, in dB; without loss infinite."""
    values = [r.get("snr_db") for r in run.records if r.get("method") == method["name"] and r["round"] > 0]
    values = [v for v in values if v is not None]
    return f"{sum(values) / len(values):.1f}" if values else "inf"


def dimension(run, name="f32"):
    """Of the model: from uncompressed bits and rounds."""
    m = next(m for m in run.summary["methods"] if quantizer_of(m) == name)
    return round(m["uplink"]["payload_bits"] * m["compression"]["uplink"] / m["rounds"] / 32)


def wire_bits(method, way="uplink"):
    return method[way]["wire_bits"] / method["rounds"]


THRESHOLD = ("thr-clip", "thr-clip-7", "thr-hard, residual", "thr-unb", "thr-unb-100", "two-bit, residual")


def quantizers(expected=None):
    """A row per quantizer; expected: name -> (SNR, objective, test error, non-zeros, bits up)."""
    def section(run):
        d = dimension(run)
        full = next(m for m in run.summary["methods"] if quantizer_of(m) == "f32")
        objective = full["final"]["objective"]
        rows = []
        for m in run.summary["methods"]:
            final = m["final"]
            error = final["test_accuracy"] if final["test_accuracy"] is not None else final["train_accuracy"]
            ours = [snr(run, m), f"{final['objective']:.4f}", f"{1 - error:.3f}", f"{final['density'] * d:.0f}",
                    f"{wire_bits(m):.0f}"]
            theirs = (expected or {}).get(quantizer_of(m))
            cells = [f"{o} ({t})" if theirs and t else o for o, t in zip(ours, theirs or ours)]
            rows.append([m["name"]] + cells + [f"{100 * (final['objective'] / objective - 1):+.2f} %",
                                               f"{wire_bits(full) / wire_bits(m):.1f}x", f"{wire_bits(m, 'downlink'):.0f}"])
        error_name = "test error" if full["final"]["test_accuracy"] is not None else "training error"
        out = table(["quantizer, best step", "SNR dB", "objective", error_name, "not 0", "bits up", "objective against f32",
                     "less bits up", "bits down"], rows)
        return out + [""] + claims(run, full) + at_the_edge(run)
    return section


def at_the_edge(run):
    """Quantizers whose best step is the smallest or the largest of the grid."""
    etas = [c["settings"]["eta"] for c in run.cells()]
    edges = {f"eta={value:g}" for value in (min(etas), max(etas))}
    names = [quantizer_of(m) for m in run.summary["methods"] if m["name"].split()[-1] in edges]
    return [f"Best step at the edge of the grid: {'all' if len(names) == len(run.summary['methods']) else ', '.join(names)}."] if names else []


def claims(run, full):
    """The two claims of the page, measured."""
    of = {quantizer_of(m): m for m in run.summary["methods"]}
    worse = {n: 100 * (of[n]["final"]["objective"] / full["final"]["objective"] - 1) for n in of}
    less = {n: wire_bits(full) / wire_bits(of[n]) for n in of}
    thresholds = [n for n in THRESHOLD if n in of]
    within = [n for n in thresholds if worse[n] <= 1 and less[n] >= 4]
    out = ["Bits: encoded messages per worker and round. Objective: loss and l1 term. Claim 1, every threshold quantizer is within "
           f"1 % of f32 with at least 4x less uplink: {len(within)} of {len(thresholds)}"]
    rest = [f"{n} {worse[n]:+.2f} %, {less[n]:.1f}x" for n in thresholds if n not in within]
    out[0] += (f" (not {'; '.join(rest)})." if rest else ".")
    if "identity" in full["settings"]["aggregator"]:
        out[0] += " f32 is sent dense here."
    if "thr-hard" in of:
        out[0] += f" thr-hard without its residual: {worse['thr-hard']:+.2f} %."
    if "van2" in of:
        density = of["van2"]["final"]["density"] / full["final"]["density"]
        out.append(f"Claim 2, van2 with one level is clearly worse: {worse['van2']:+.2f} % in objective, {density:.2f} times the non-zeros.")
    return out


QADAGRAD_E1 = {
    "f32": ("inf", "0.5833", "0.300", "116", "21300"), "van2": ("-11.6", "0.6072", "0.316", "256", "180"),
    "vaninf": ("-3.9", "0.5892", "0.299", "141", "550"), "van2-7": ("-1.0", "0.5865", "0.297", "128", "1070"),
    "vaninf-7": ("12.4", "0.5831", "0.294", "112", "2460"), "thr-clip": ("5.7", "0.5842", "0.293", "65", "1460"),
    "thr-clip-7": ("14.3", "0.5829", "0.294", "112", "2610"), "thr-hard": ("6.5", "0.5844", "0.300", "100", "1420"),
    "thr-hard, residual": ("3.8", "0.5836", "0.301", "117", "1600"), "thr-unb": ("11.2", "0.5837", "0.296", "101", "5760")}
QADAGRAD_E2 = {
    "f32": ("", "0.624", "", "594", ""), "van2": ("", "0.658", "", "846", ""), "vaninf": ("", "0.633", "", "746", ""),
    "vaninf-7": ("", "0.624", "", "584", ""), "thr-clip": ("", "0.632", "", "657", ""), "thr-unb": ("", "0.624", "", "681", "")}


def qadagrad_e1(run):
    return quantizers(QADAGRAD_E1)(run) + [
        "In brackets the page's prototype: other draws of the data, one seed. It counts 64 bits per entry of f32; ours are coded gaps and "
        "numbers."]


def qadagrad_e3(run):
    expected = {"f32": ("0.5814, 107",) * 4, "van2": ("0.618, 341", "0.599, 223", "0.596, 184", "0.586, 130"),
                "vaninf": ("0.586", "0.584", "0.583", "0.581")}
    d = dimension(run, "f32 M=4")
    rows = []
    for name, values in expected.items():
        row = [name]
        for m, value in zip((1, 4, 16, 64), values):
            final = next(x for x in run.summary["methods"] if quantizer_of(x) == f"{name} M={m}")["final"]
            row.append(f"{final['objective']:.4f}, {final['density'] * d:.0f} ({value})")
        rows.append(row)
    return table(["objective, not 0 (expected)", "M=1", "M=4", "M=16", "M=64"], rows)


def qadagrad_e4(run):
    expected = {("CMD", "vaninf"): ("0.612", "0.627"), ("CMD", "van2"): ("0.645", "0.710")}
    of = {quantizer_of(m): m for m in run.summary["methods"]}
    rows = []
    for kind in ("CMD", "RDA"):
        for quantizer in ("vaninf", "van2"):
            pair = [of[f"{kind} {quantizer}, {matrix}"] for matrix in ("quantized", "raw")]
            theirs = expected.get((kind, quantizer), ("no clear difference",) * 2)
            rows.append([f"{kind}, {quantizer}"] + [f"{m['final']['objective']:.4f} ({e})" for m, e in zip(pair, theirs)] +
                        [f"{100 * m['final']['density']:.1f} %" for m in pair])
    return table(["method", "objective, matrix from q (expected)", "from raw g (expected)", "not 0, q", "not 0, raw g"], rows)


def qadagrad_e5(run):
    expected = {"vaninf": ("0.5843, 127", "0.5930, 175", "0.5846, 79"), "vaninf-7": ("0.5809, 100", "0.5872, 132", "0.5834, 43"),
                "thr-clip": ("0.5810, 60", "0.5819, 69", "0.5858, 27")}
    d = dimension(run)
    of = {quantizer_of(m): m["final"] for m in run.summary["methods"]}
    rows = []
    for uplink, values in expected.items():
        cells = [f"{of[f'{uplink}, {second}']['objective']:.4f}, {of[f'{uplink}, {second}']['density'] * d:.0f} ({e})"
                 for second, e in zip(("none", "vaninf", "thr-clip"), values)]
        rows.append([uplink] + cells)
    return table(["uplink: objective, not 0 (expected)", "second stage none", "vaninf", "thr-clip"], rows) + [
        "", f"f32 both ways: {of['f32']['objective']:.4f}, {of['f32']['density'] * d:.0f} (0.5814, 107)."]


PAPER = Paper(
    "Quantized AdaGrad: mirror descent and dual averaging",
    "*Claims*: noise of quantization slows composite AdaGrad down and destroys the sparsity of its models; quantizers with a "
    "threshold avoid both. Objective: loss and l1 term. *Ours*: on synthetic data all threshold quantizers stay within 1 % of exact "
    "gradients, all but thr-unb without a budget at a quarter of the bits or less; on real data not everywhere (each section counts). The coarsest unbiased quantizer (van2) is clearly worse everywhere.",
    [
        Section("experiments/qadagrad-e1.toml", "Quantized AdaGrad E1: dual averaging, accuracy, sparsity and traffic", qadagrad_e1,
                Figure("Objective against bits per worker and direction up, the best step of each quantizer.",
                       {"metric": "objective", "axis": "up", "log-x": "yes"})),
        Section("experiments/qadagrad-e2.toml", "Quantized AdaGrad E2: mirror descent", quantizers(QADAGRAD_E2)),
        Section("experiments/qadagrad-e3.toml", "Quantized AdaGrad E3: workers, 64 examples per round", qadagrad_e3),
        Section("experiments/qadagrad-e4.toml", "Quantized AdaGrad E4: which gradient builds the matrix", qadagrad_e4),
        Section("experiments/qadagrad-e5.toml", "Quantized AdaGrad E5: the mean compressed again", qadagrad_e5),
        Section("experiments/qadagrad-a9a.toml", "Quantized AdaGrad (RDA) on a9a, 4 workers (real data)", quantizers()),
        Section("experiments/qadagrad-reuters.toml", "Quantized AdaGrad (RDA) on Reuters, 4 workers (real data)", quantizers()),
        Section("experiments/qadagrad-news20.toml", "Quantized AdaGrad (RDA) on 20 Newsgroups, one against the rest (real data)",
                quantizers()),
        Section("experiments/qadagrad-e8-mnist.toml", "Quantized AdaGrad E8: a perceptron on MNIST, 4 workers (real data)",
                quantizers()),
    ])

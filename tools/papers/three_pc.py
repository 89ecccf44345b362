# SPDX-License-Identifier: Apache-2.0
"""Three-point compressors."""
from .pages import Figure, Paper, Section, number, table


def deviation(ours, expected):
    return f"{100 * (ours / expected - 1):+.1f} %"


def floats(cell):
    """Numbers of 64 bits per worker."""
    return cell["uplink"]["payload_bits"] / 64


def cheapest(cells):
    reached = [c for c in cells if c["reached"]]
    return min(reached, key=lambda c: c["value"]) if reached else None


# Per method of the golden quadratic: at 1/M1 rounds and floats, at the step for PL functions rounds, tuned at s = 1 the
# multiple, rounds and floats, tuned at s = 0 and 3 floats.
GOLDEN = {
    "GD": (420, 42000, 420, 1, 420, 42000, 37600, 54800),
    "EF21 Top-10": (11376, 113760, 15915, 32, 352, 3520, 2390, 4980),
    "LAG zeta=1": (1010, 50580, 1256, 2, 503, 25210, 18800, 28150),
    "LAG zeta=16": (2784, 69500, 3766, 2, 1387, 34600, 20900, 46000),
    "CLAG Top-10 zeta=1": (11376, 113515, 15915, 32, 352, 3450, 4480, 4887),
    "CLAG Top-10 zeta=16": (11371, 46233, 15909, 8, 1412, 5486, 6700, 8457),
    "CLAG Top-10 zeta=64": (21337, 45574, 30007, 8, 2649, 5416, 3090, 8323),
    "3PCv1 Top-10 (idealised)": (982, 9820, 1214, 2, 489, 4890, 3660, 5410),
    "3PCv4 Top-5, Top-5": (11680, 116800, 16345, 32, 362, 3620, 2400, 5120),
    "3PCv2 Rand-2, Top-8": (14487, 144870, 20315, 64, 221, 2210, 2890, 6350),
    "EF21 cRand-10": (11300, 113008, 15847, 16, 849, 8490, 4800, 20280),
    "EF21 cPerm": (11336, 113366, 15871, 16, 679, 6796, 4650, 20244),
    "3PCv5 Top-10": (10806, 204400, 15112, 8, 1387, 26206, 33030, 36036),
    "MARINA Rand-10": (2078, 38478, 2783, 4, 578, 10662, 8800, 50222),
    "MARINA Perm": (1676, 31864, 2201, 4, 385, 6968, 6820, 28296),
}
DRAWN = ("3PCv2 Rand-2, Top-8", "EF21 cRand-10", "EF21 cPerm", "3PCv5 Top-10", "MARINA Rand-10", "MARINA Perm")


def golden(run):
    rows = []
    drawn = {"theory": 0, "tuned": 0}  # the largest deviations of floats among the rows with random draws
    exact = 0  # the largest deviation in rounds among the others
    for name, (rounds, sent, pl, multiple, tuned_rounds, tuned, _, _) in GOLDEN.items():
        cells = {c["settings"]["step"]: c for c in run.cells() if c["method"] == name}
        best = cheapest(c for step, c in cells.items() if step != "pl")
        one = cells["theory"]
        factor = best["settings"]["step"].removeprefix("theory").removeprefix("*") or "1"
        if name in DRAWN:
            drawn["theory"] = max(drawn["theory"], abs(floats(one) / sent - 1))
            drawn["tuned"] = max(drawn["tuned"], abs(floats(best) / tuned - 1))
        else:
            exact = max(exact, *(abs(a - b) for a, b in ((one["rounds"], rounds), (cells["pl"]["rounds"], pl),
                                                         (best["rounds"], tuned_rounds))))
        rows.append([name + (" (*)" if name in DRAWN else ""), f"{one['rounds']:.0f}", f"{rounds}", f"{floats(one):.0f}",
                     f"{sent}", f"{cells['pl']['rounds']:.0f}", f"{pl}",
                     f"{factor}x: {best['rounds']:.0f}, {floats(best):.0f}", f"{multiple}x: {tuned_rounds}, {tuned}"])
    return table(["method", "rounds, theory", "expected", "floats", "expected", "rounds, PL step", "expected",
                  "best multiple: rounds, floats", "expected"], rows) + [
        "", f"Floats are those sent per worker. Rows without (*) agree to within {exact:.0f} rounds. (*) draws random numbers: "
        f"means of five seeds beside five others, apart by up to {100 * drawn['theory']:.0f} % at the theory's step and "
        f"{100 * drawn['tuned']:.0f} % at the best multiple, where single seeds differ by a factor of up to two."]


def golden_tuned(column):
    def section(run):
        rows = []
        for name, expected in GOLDEN.items():
            best = cheapest(c for c in run.cells() if c["method"] == name)
            rows.append([name + (" (*)" if name in DRAWN else ""), f"{best['settings']['m']}x", f"{best['rounds']:.0f}",
                         f"{floats(best):.0f}", f"{expected[column]}", deviation(floats(best), expected[column])])
        return table(["method", "best multiple", "rounds", "floats", "expected floats", ""], rows)
    return section


def golden_s0(run):
    return golden_tuned(6)(run) + [
        "", "Without heterogeneity the best multiples lie at the edge of stability, where a change of the step by 1e-12 changes "
        "the count; (*) draws random numbers."]


def golden_s3(run):
    return golden_tuned(7)(run) + ["", "(*) draws random numbers: means of five seeds."]


IJCNN1 = {  # row K: published bits per worker for zeta = 0, 1, 2, 4, ..., 1024
    1: (3008, 3872, 3872, 3872, 3883, 3054, 2867, 4808, 4880, 4811, 4872, 3288),
    3: (4544, 3363, 3070, 2835, 2691, 2628, 2926, 4884, 2216, 2681, 3497, 3929),
    5: (5984, 4160, 2464, 2952, 2568, 3352, 5216, 2352, 5128, 5224, 3512, 3568),
    8: (9152, 4505, 2918, 3379, 5888, 5696, 7667, 8230, 3724, 8652, 3968, 8652),
    10: (5184, 4496, 9088, 3520, 3568, 4736, 7344, 5520, 4768, 5296, 7296, 6144),
    12: (6080, 7462, 9267, 9651, 7136, 6464, 6368, 6003, 4678, 4064, 8038, 9324),
    15: (14624, 7040, 9824, 8792, 7688, 3560, 7448, 10304, 4592, 4256, 4160, 10088),
    17: (13216, 7041, 6905, 12128, 11176, 4267, 6742, 3369, 9979, 5980, 6089, 9326),
    19: (24416, 8668, 12712, 4595, 5142, 7027, 5324, 6601, 5537, 4504, 6176, 4291),
    22: (16896, 9328, 7497, 4998, 10313, 14995, 9046, 4963, 4892, 8060, 5632, 10032),
}
EXACT_CELLS = ((22, 0), (1, 0), (22, 128), (1, 2))


def ijcnn1(run):
    zetas = [0] + [2 ** j for j in range(11)]
    ours = {}
    for k in IJCNN1:
        for zeta in zetas:
            best = cheapest(c for c in run.cells()
                            if c["settings"]["k"] == k and c["settings"]["zeta"] == zeta)
            ours[k, zeta] = best and int(best["value"] / 2)  # the published map cuts fractions off
    rows = []
    for k, published in IJCNN1.items():
        cells = []
        for zeta, theirs in zip(zetas, published):
            mine = ours[k, zeta]
            text = "-" if mine is None else f"{mine}"
            cells.append(f"**{text}**" if mine == theirs else f"{text} ({theirs})")
        rows.append([f"{k}"] + cells)
    exact = sum(ours[k, z] == p for k, row in IJCNN1.items() for z, p in zip(zetas, row))
    pinned = [ours[k, z] == IJCNN1[k][zetas.index(z)] for k, z in EXACT_CELLS]
    where = min((c for c in ours if ours[c] is not None), key=lambda c: ours[c])
    ef21 = min(ours[k, 0] for k in IJCNN1 if k != 22)
    lag = min(ours[22, z] for z in zetas if z > 0 and ours[22, z] is not None)
    return table(["K"] + [f"zeta = {z}" for z in zetas], rows) + [
        "", f"Bits per worker (32 per number), in brackets the published value, bold where both are the same: {exact} of "
        f"{len(ours)} cells. The four cells that replicate elsewhere, (K, zeta) = (22, 0), (1, 0), (22, 128), (1, 2): "
        f"{sum(pinned)} of 4 equal. The other cells with zeta > 0 run at up to 2048 times the theory's step and are chaotic.",
        f"Best CLAG {ours[where]} at K = {where[0]}, zeta = {where[1]} (published 2216 at K = 3, zeta = 128), best EF21 {ef21} "
        f"(3008), best LAG {lag} (4892), GD {ours[22, 0]} (16896): CLAG beats both of its special cases."]


QUADRATIC = {  # Mbit per worker to |grad f|^2 of 1e-3, 1e-5, 1e-7; None: not within the figure
    0: {"3PCv2 Rand-2, Top-8": (0.19, 0.25, 2.07), "3PCv2 RandPerm, Top": (0.04, 0.51, 2.28),
        "EF21 Top-10": (0.12, 0.79, None), "EF21 cPerm-10": (2.15, 2.80, 4.87), "EF21 cRand-10": (3.76, 4.89, None),
        "MARINA Perm-10": (0.10, 0.52, None), "MARINA Rand-10": (1.25, 3.68, None), "3PCv5 Top-10": (3.21, None, None)},
    6.4: {"3PCv2 Rand-2, Top-8": (0.08, 1.72), "3PCv2 RandPerm, Top": (0.07, 1.46), "EF21 Top-10": (0.15, 2.67),
          "EF21 cPerm-10": (11.7, 21.8), "EF21 cRand-10": (2.2, 24), "MARINA Perm-10": (7.1, 44),
          "MARINA Rand-10": (58, None), "3PCv5 Top-10": (1.4, 41)},
}


def quadratic_table(run, s, targets):
    rows = []
    for name, published in QUADRATIC[s].items():
        row = [name]
        for target, theirs in zip(targets, published):
            best = cheapest(c for c in run.cells() if c["method"] == name and c["settings"]["target"] == target)
            row.append("-" if best is None else f"{best['value'] / 1e6:.3g} ({best['settings']['m']}x)")
            row.append("-" if theirs is None else f"{theirs:.3g}")
        rows.append(row)
    header = ["method"]
    for target in targets:
        header += [f"Mbit to {target:g}", "published"]
    return table(header, rows)


def quadratic_s0(run):
    def at(name, m, target):
        cell = next(c for c in run.cells() if c["method"] == name and c["settings"] == {"target": target, "m": m})
        return f"{cell['value'] / 1e6:.3g}"
    return quadratic_table(run, 0, (1e-3, 1e-5, 1e-7)) + [
        "", "Best multiple of the theory's step for each target, in brackets. The published curves are read off a figure and have "
        "one multiple each, which is not given. At the multiples at which the specification simulated them again, ours beside "
        "its values: EF21 64x "
        f"{at('EF21 Top-10', 64, 1e-3)} and {at('EF21 Top-10', 64, 1e-5)} (0.115, 0.788), EF21 128x to 1e-5 "
        f"{at('EF21 Top-10', 128, 1e-5)} (0.39), 3PCv2 512x {at('3PCv2 Rand-2, Top-8', 512, 1e-3)}, "
        f"{at('3PCv2 Rand-2, Top-8', 512, 1e-5)} and {at('3PCv2 Rand-2, Top-8', 512, 1e-7)} (0.189, 0.255, 2.10; it draws), "
        f"MARINA Perm 1x {at('MARINA Perm-10', 1, 1e-3)} and {at('MARINA Perm-10', 1, 1e-5)} (0.16, 0.57). What agrees: 3PCv2 "
        "needs least to 1e-7, where EF21 does not get within 5 Mbit; MARINA with Perm-K is far ahead of Rand-K. With a "
        "wider search EF21 and 3PCv5 need less than published, as in the specification. RandPerm draws K of the worker's block "
        "of coordinates here; published are 2^12 times its own theory's step."]


def quadratic_s6(run):
    return quadratic_table(run, 6.4, (1e-3, 1e-5)) + [
        "", "Best multiple of the theory's step for each target, in brackets, up to 20,000 rounds. The draws of the problem are ours, "
        "and the theory's step uses the true L_+ where the published code takes one that is 1.28 times too small. What agrees: "
        "3PCv2 needs least to 1e-5, EF21 follows, then MARINA with Perm-K; the random ones do not get there within the rounds. With "
        "a search of our own over the step for each target nearly all need less than published to 1e-3. 1024 is the last multiple tried."]


def autoencoder(run):
    rows = []
    for m in dict.fromkeys(c["method"] for c in run.cells()):
        cells = [c for c in run.cells() if c["method"] == m]
        best = cheapest(cells)
        if best is None:
            rows.append([m, "-", "-", "-"])
            continue
        rows.append([m, number(best["settings"]["step"]), f"{best['rounds']:.0f}", f"{best['value'] / 1e6:.3g}"])
    return table(["method", "best step", "rounds", "Mbit per worker"], rows)


PAPER = Paper(
    "Three-point compressors",
    "*Claims* (Richtarik et al., ICML 2022): one analysis covers EF21, lazy aggregation (LAG) and new methods; CLAG, both at once, "
    "sends fewer bits than either; 3PCv2 is the best that was implemented. *Ours*: at s = 1 deterministic rows equal the "
    "specification's to the round, CLAG beats both of its special cases on ijcnn1, 3PCv2 needs least to high precision.",
    [
        Section("experiments/3pc-golden.toml", "3PC: the golden quadratic, s = 1", golden,
                Figure("Squared gradient norm against bits per worker; of each method the cheapest of its steps.",
                       {"metric": "grad_norm2", "axis": "up", "log-x": "yes", "log-y": "yes"})),
        Section("experiments/3pc-golden-s0.toml", "3PC: the golden quadratic, s = 0, tuned", golden_s0),
        Section("experiments/3pc-golden-s3.toml", "3PC: the golden quadratic, s = 3, tuned", golden_s3),
        Section("experiments/3pc-ijcnn1-heatmap.toml", "3PC: CLAG on ijcnn1, bits to |grad f| <= 1e-2 (real data)", ijcnn1),
        Section("experiments/3pc-quadratic-s0.toml", "3PC: quadratic, d = 1000, n = 100, s = 0", quadratic_s0),
        Section("experiments/3pc-quadratic.toml", "3PC: quadratic, d = 1000, n = 100, s = 6.4", quadratic_s6),
        Section("experiments/3pc-autoencoder.toml", "3PC: linear autoencoder on MNIST, equal shards (real data)", autoencoder),
        Section("experiments/3pc-autoencoder-level0.toml", "3PC: linear autoencoder on MNIST, disjoint shards (real data)",
                autoencoder),
        Section("experiments/3pc-autoencoder-labels.toml", "3PC: linear autoencoder on MNIST, shards by label (real data)",
                autoencoder),
    ])

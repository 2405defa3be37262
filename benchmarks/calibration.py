"""How often the report's intervals and verdicts are wrong, counted in simulated studies whose truth is known.

command: python benchmarks/calibration.py [repeats]     (default 4,000; about an hour on two quiet cores)
Cells are normal unless it says otherwise; "equal" families have one deviation, the others what their name says. Beside
what is used stand the tests that it was chosen over. Prints a line a figure; writes results/calibration.json.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
from shared import RESULTS, ROOT

sys.path.insert(0, str(ROOT))

from tests.stats.simulated import on_images

from regimens.stats.comparisons import Rule, against_best, against_reference, best_of
from regimens.stats.interaction import interaction
from regimens.stats.random_effects import crossed, student
from regimens.stats.sample import Sample, means
from regimens.stats.sequential import open_comparisons
from regimens.stats.winner import quoted

Rng = np.random.Generator
#: exact for any number of draws: what few of them cost is power
DRAWS = 399
SIZES = (3, 5, 10)


def deviations(k: int) -> dict[str, list[float]]:
    """The families: how the deviations of k cells differ."""
    half, quarter = k // 2, max(k // 4, 1)
    return {
        "equal": [1.0] * k,
        "one ten times": [10.0] + [1.0] * (k - 1),
        "one a tenth": [0.1] + [1.0] * (k - 1),
        "a quarter ten times": [10.0] * quarter + [1.0] * (k - quarter),
        "half three times": [3.0] * half + [1.0] * (k - half),
        "half ten times": [10.0] * half + [1.0] * (k - half),
        "from 1 to 30": list(np.geomspace(1, 30, k)),
    }


def means_of(rng: Rng, kind: str, n: int) -> bool:
    """Whether the interval of one mean covers it."""
    drawn = rng.standard_normal(n) if kind == "normal" else 1 - rng.exponential(size=n)
    found = student(drawn)
    return found.low < 0 < found.high  # type: ignore[operator]


def normal_cells(rng: Rng, n: int, sds: list[float], shifts: list[float] | None = None) -> dict[str, Sample]:
    """Cells of one mean, unless `shifts` says another."""
    each = zip(sds, shifts or [0.0] * len(sds), strict=True)
    return {str(i): Sample.of(mean + sd * rng.standard_normal(n)) for i, (sd, mean) in enumerate(each)}


def family(rng: Rng, n: int, sds: list[float], picked: bool) -> bool:
    """Whether any cell of equal means is called better or worse."""
    made, rule = normal_cells(rng, n, sds), Rule(draws=DRAWS)
    found = against_best(made, rule) if picked else against_reference(made, "0", rule)
    return any(one.verdict in ("better", "worse") for one in found.values())


def tukey(rng: Rng, n: int, sds: list[float]) -> bool:
    """The same by Tukey's studentized range with one pooled variance: what was not taken."""
    from scipy.stats import studentized_range

    drawn = np.array([one.values for one in normal_cells(rng, n, sds).values()])
    spread = (drawn.var(axis=1, ddof=1).mean() / n) ** 0.5
    return bool(studentized_range.sf(np.ptp(drawn.mean(axis=1)) / spread, len(sds), len(sds) * (n - 1)) < 0.05)


def paired_holm(rng: Rng, n: int, sds: list[float]) -> bool:
    """The same by paired t-tests against the best with Holm's correction: what the report did before."""
    from scipy.stats import ttest_1samp

    drawn = np.array([one.values for one in normal_cells(rng, n, sds).values()])
    best = drawn[drawn.mean(axis=1).argmax()]
    p = [ttest_1samp(row - best, 0).pvalue for row in drawn if row is not best and not np.array_equal(row, best)]
    return min(p) * len(p) < 0.05


def equality(rng: Rng, n: int, k: int, sd: float, picked: bool) -> bool:
    """Whether any cell that is exactly a margin of 1 below the only best one is called equal to it."""
    made, rule = normal_cells(rng, n, [sd] * k, [1.0] + [0.0] * (k - 1)), Rule(margin=1.0, draws=DRAWS)
    found = against_best(made, rule) if picked else against_reference(made, "0", rule)
    centre = best_of(made, maximize=True) if picked else "0"
    return any(one.verdict == "equal" and "0" in (label, centre) for label, one in found.items())


def looking(rng: Rng, looks: tuple[int, ...], sds: list[float]) -> bool:
    """Whether any look at growing samples of equal cells calls one better or worse."""
    drawn = np.array([one.values for one in normal_cells(rng, looks[-1], sds).values()])
    told: dict[str, str] = {}
    for look, n in enumerate(looks, start=1):
        values = {str(i): Sample.of(row[:n]) for i, row in enumerate(drawn)}
        told = open_comparisons(values, look, len(looks), margin=None, settled=told, draws=999)
    return any(word in ("better", "worse") for word in told.values())


def images_and_seeds(rng: Rng, n: int, what: str) -> bool:
    """Equally good cells on the same 500 images: whether the mean is covered, or a difference wrongly found."""
    from scipy.stats import t

    made, truth = on_images(rng, 4, n, 500, taste=0.8)
    if what == "mean":
        found = means(list(made.values()))
        variance, df = found.one(0)
        return abs(found.mean[0] - truth) < t.ppf(0.975, df) * variance**0.5
    if what == "seeds alone":
        made = {label: Sample.of(one.values) for label, one in made.items()}
    return any(one.verdict in ("better", "worse") for one in against_best(made, Rule(draws=DRAWS)).values())


def networks(rng: Rng, seeds: int, models: int, by_seed: bool) -> bool:
    """Whether the mean over seeds x networks is covered, by both or (as the report did before) by the seeds alone."""
    table = 0.3 * rng.standard_normal((seeds, 1)) + 0.5 * rng.standard_normal(models)
    table = table + 0.3 * rng.standard_normal((seeds, models))
    found = student(table.mean(axis=1)) if by_seed else crossed(table)
    return found.low < 0 < found.high  # type: ignore[operator]


def luck(rng: Rng, n: int, k: int, naive: bool) -> float:
    """How much the best of k equal cells is overstated, in deviations of a final; validation and test go together."""
    quality = rng.standard_normal((k, n))
    val, test = (quality + 0.5 * rng.standard_normal((k, 1)) for _ in range(2))
    if naive:
        return float(test.mean(axis=1).max())
    picking, quoting = ({str(i): dict(enumerate(row)) for i, row in enumerate(one)} for one in (val, test))
    found = quoted(picking, quoting, maximize=True)
    return 0.0 if found is None else found.mean


def interactions(rng: Rng, n: int, equal: bool, hc3: bool) -> bool:
    """Whether effects that only add up are said to interact, in a grid of 4 x 4."""
    sds = np.ones((4, 4)) if equal else rng.permutation(np.geomspace(0.1, 10, 16)).reshape(4, 4)
    drawn = np.add.outer(np.arange(4.0), np.arange(4.0))[..., None] + sds[..., None] * rng.standard_normal((4, 4, n))
    if hc3:
        return hc3_p(drawn) < 0.05
    grid = {(str(i), str(j)): Sample.of(drawn[i, j]) for i in range(4) for j in range(4)}
    found = interaction(grid, draws=DRAWS)
    return found is not None and found.p <= 0.05


def hc3_p(drawn: np.ndarray) -> float:
    """statsmodels' two-way analysis of variance with heteroscedasticity-consistent errors (HC3)."""
    import pandas as pd
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    one, other, _ = np.indices(drawn.shape)
    frame = pd.DataFrame({"y": drawn.ravel(), "a": one.ravel(), "b": other.ravel()})
    return float(anova_lm(ols("y ~ C(a) * C(b)", frame).fit(), typ=2, robust="hc3").loc["C(a):C(b)", "PR(>F)"])


def figures(repeats: int) -> Iterator[tuple[str, str, Callable[..., Any], tuple[Any, ...], int]]:
    """(part, what, how to draw one, its arguments, how often)."""
    for n in SIZES:
        for kind in ("normal", "exponential"):
            yield "coverage of a mean", f"{kind}, n = {n}", means_of, (kind, n), 5 * repeats
    for k in (2, 4, 9, 16):
        for n in SIZES:
            for name, sds in deviations(k).items():
                for picked, against in ((True, "the best"), (False, "the first")):
                    yield (
                        "family-wise error",
                        f"{k} cells, n = {n}, {name}, {against}",
                        family,
                        (n, sds, picked),
                        repeats,
                    )
    for n in SIZES:
        for name, sds in deviations(9).items():
            yield "family-wise error, pooled (Tukey)", f"9 cells, n = {n}, {name}", tukey, (n, sds), repeats // 2
            yield "family-wise error, paired (Holm)", f"9 cells, n = {n}, {name}", paired_holm, (n, sds), repeats // 2
    for n in SIZES:
        for k in (2, 9):
            for sd in (0.1, 0.3, 1.0):
                for picked, against in ((True, "the best"), (False, "the first")):
                    name = f"{k} cells, n = {n}, deviation {sd:g} margins, {against}"
                    yield "wrongly equal", name, equality, (n, k, sd, picked), repeats // 2
    for looks in ((3, 6, 9, 12), (5, 10, 15), (2, 4, 6, 8, 10)):
        for k, name in ((2, "equal"), (2, "one ten times"), (9, "equal"), (9, "half ten times")):
            yield (
                "family-wise error, all looks",
                f"{k} cells, {name}, at {looks}",
                looking,
                (
                    looks,
                    deviations(k)[name],
                ),
                repeats // 2,
            )
    for n in SIZES:
        for what in ("mean", "difference", "seeds alone"):
            yield "seeds x 500 test images", f"{what}, n = {n}", images_and_seeds, (n, what), repeats // 4
    for seeds, models in ((5, 3), (20, 3), (10, 10)):
        for by_seed in (False, True):
            name = f"{seeds} seeds x {models} networks{', by seeds alone' if by_seed else ''}"
            yield "coverage, networks as a sample", name, networks, (seeds, models, by_seed), 2 * repeats
    for n in SIZES:
        for naive in (False, True):
            name = f"best of 9, n = {n}, {'as found' if naive else 'as quoted'}"
            yield "luck of the winner, in deviations", name, luck, (n, 9, naive), 2 * repeats
    for n in SIZES:
        for equal in (True, False):
            for hc3 in (False, True):
                name = f"n = {n}, {'equal' if equal else 'from 0.1 to 10'}{', HC3' if hc3 else ''}"
                yield "wrongly interacting", name, interactions, (n, equal, hc3), repeats // 8


def count(job: tuple[str, str, Callable[..., Any], tuple[Any, ...], int]) -> dict[str, Any]:
    """One figure: the mean over repeats, with its standard error; the stream of each follows from what it is called."""
    part, what, draw, arguments, repeats = job
    rng = np.random.default_rng(list(f"{part}/{what}".encode()))
    drawn = np.array([float(draw(rng, *arguments)) for _ in range(repeats)])
    error = float(drawn.std(ddof=1) / repeats**0.5)
    return {"part": part, "what": what, "value": float(drawn.mean()), "error": error, "repeats": repeats}


def main() -> None:
    """Count everything, two figures at a time."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    found = []
    with ProcessPoolExecutor(2) as pool:
        for one in pool.map(count, figures(repeats)):
            print(f"{one['part']}: {one['what']}: {one['value']:.4f} ± {one['error']:.4f}", flush=True)
            found.append(one)
    (RESULTS / "calibration.json").write_text(json.dumps({"repeats": repeats, "figures": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()

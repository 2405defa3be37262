"""How often intervals and verdicts are wrong where the truth is known; benchmarks/calibration.py counts more of it."""

import numpy as np
import pytest

from regimens.stats.comparisons import Rule, against_best, against_reference
from regimens.stats.random_effects import crossed, student
from regimens.stats.sample import Sample, means
from regimens.stats.sequential import open_comparisons
from tests.stats.simulated import at_least, at_most, cells, on_images

# Exact for any number of draws, so that a test of the error rate can do with few.
FEW = 199
PATTERNS = {"equal": [1.0] * 4, "half ten times": [10.0, 10.0, 1.0, 1.0], "one a tenth": [0.1, 1.0, 1.0, 1.0]}


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize(("kind", "share"), [("normal", 0.93), ("exponential", 0.88)])
def test_the_interval_of_a_mean_covers_it(kind: str, share: float, n: int) -> None:
    rng, repeats = np.random.default_rng(0), 2000
    drawn = rng.standard_normal((repeats, n)) if kind == "normal" else 1 - rng.exponential(size=(repeats, n))
    found = [student(row) for row in drawn]
    covered = np.mean([one.low < 0 < one.high for one in found])  # type: ignore[operator]
    assert covered >= at_least(share, repeats)


@pytest.mark.parametrize("n", [3, 5])
@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.thorough
def test_a_family_errs_at_most_once_in_twenty_with_the_best_picked(pattern: str, n: int) -> None:
    rng, repeats = np.random.default_rng(1), 400
    wrong = {"best": 0, "reference": 0}
    for _ in range(repeats):
        made = cells(rng, n, PATTERNS[pattern])
        rule = Rule(draws=FEW)
        wrong["best"] += any(one.verdict != "undecided" for one in against_best(made, rule).values())
        wrong["reference"] += any(one.verdict != "undecided" for one in against_reference(made, "0", rule).values())
    assert max(wrong.values()) / repeats <= at_most(0.05, repeats)


def test_cells_a_margin_apart_are_called_equal_at_most_once_in_twenty() -> None:
    rng, repeats, wrong = np.random.default_rng(2), 400, 0
    for _ in range(repeats):
        made = cells(rng, 5, [0.2] * 4, [0.5, 0.0, 0.0, 0.0])
        found = against_reference(made, "0", Rule(margin=0.5, draws=FEW))
        wrong += any(one.verdict == "equal" for one in found.values())
    assert wrong / repeats <= at_most(0.05, repeats)


def test_equal_cells_are_called_equal_where_they_scatter_little() -> None:
    made = cells(np.random.default_rng(3), 10, [0.1] * 4)
    assert {one.verdict for one in against_best(made, Rule(margin=0.5)).values()} == {"equal"}


@pytest.mark.thorough
def test_seeds_crossed_with_images_cover_what_seeds_alone_do_not() -> None:
    rng, repeats = np.random.default_rng(4), 300
    covered = wrong = blind = 0
    for _ in range(repeats):
        made, truth = on_images(rng, 3, 5, 200, taste=0.8)
        found = means(list(made.values()))
        variance, df = found.one(0)
        half = _half(variance, df)
        covered += abs(found.mean[0] - truth) < half
        unseen = {label: Sample.of(one.values) for label, one in made.items()}
        wrong += any(one.verdict != "undecided" for one in against_best(made, Rule(draws=FEW)).values())
        blind += any(one.verdict != "undecided" for one in against_best(unseen, Rule(draws=FEW)).values())
    assert covered / repeats >= at_least(0.93, repeats)
    assert wrong / repeats <= at_most(0.05, repeats)
    assert blind / repeats > 0.3


def _half(variance: float, df: float) -> float:
    from scipy.stats import t

    return float(t.ppf(0.975, df)) * variance**0.5


@pytest.mark.parametrize(("seeds", "networks"), [(20, 3), (5, 3)])
def test_networks_crossed_with_seeds_are_covered(seeds: int, networks: int) -> None:
    rng, repeats, covered, alone = np.random.default_rng(5), 1000, 0, 0
    for _ in range(repeats):
        table = 0.3 * rng.standard_normal((seeds, 1)) + 0.5 * rng.standard_normal(networks)
        table = table + 0.3 * rng.standard_normal((seeds, networks))
        one, by_seed = crossed(table), student(table.mean(axis=1))
        covered += one.low < 0 < one.high  # type: ignore[operator]
        alone += by_seed.low < 0 < by_seed.high  # type: ignore[operator]
    assert covered / repeats >= at_least(0.93, repeats)
    assert alone / repeats < 0.85


def test_looking_four_times_errs_at_most_once_in_twenty() -> None:
    rng, repeats, wrong = np.random.default_rng(6), 300, 0
    for _ in range(repeats):
        drawn = rng.standard_normal((2, 12))
        told: dict[str, str] = {}
        for look, n in enumerate((3, 6, 9, 12), start=1):
            values = {str(i): list(row[:n]) for i, row in enumerate(drawn)}
            told = open_comparisons(values, look, 4, margin=None, settled=told)
        wrong += any(word in ("better", "worse") for word in told.values())
    assert wrong / repeats <= at_most(0.05, repeats)

"""Which trials a study asks for, round by round; without training anything."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regimens.core.result import Result
from regimens.stats.response_curve import fit
from regimens.study.definition.command_line import read_command_line
from regimens.study.definition.composer import Composer, Source
from regimens.study.definition.define import define
from regimens.study.definition.settings import read_settings
from regimens.study.definition.study import Cell, Study
from regimens.study.queue import rounds

CONF = Path(__file__).parents[1] / "fake" / "conf"
Response = Callable[[dict[str, Any]], float | None]
Fails = Callable[[dict[str, Any], int], bool]


def study_of(*arguments: str, **settings: Any) -> Study:
    composer = Composer(Source("train", (f"file://{CONF}",)))
    return define(read_settings(settings), read_command_line(list(arguments)), composer, name="test")


def play(study: Study, response: Response, fails: Fails = lambda values, seed: False) -> Study:
    """Run a study to its end, with `response` in place of training; None is a trial that diverges.

    So is one of a seed from which its values fail.
    """

    def read(cell: Cell, phase: str) -> list[Result | None]:
        values = cell.points if phase == "tuning" else [cell.best] * len(cell.finals)
        seeds = [cell.tuning_seed(number) for number in range(len(values))] if phase == "tuning" else cell.finals
        found: list[Result | None] = []
        for value, seed in zip(values, seeds, strict=True):
            number = None if fails(dict(value or {}), seed) else response(dict(value or {}))
            metrics: dict[str, float | None] = {} if number is None else {"val/accuracy": number}
            status = "diverged" if number is None else "completed"
            found.append(Result(status, "x", 1, {}, "0", study={"params": value}, metrics=metrics))
        return found

    rounds.begin(study)
    while rounds.advance(study, read):
        assert study.round < 50
    return study


def summit(at: float) -> Response:
    return lambda values: 0.9 - 0.01 * (float(np.log10(values["optimizer.lr"])) - at) ** 2


@pytest.mark.parametrize("at", [-3.3, -2.0, -1.41])
def test_the_summit_of_a_parabola_is_found(at: float) -> None:
    study = play(study_of("optimizer=adam", tuned=["optimizer.lr"], trials=5, seeds=3), summit(at))
    (cell,) = study.cells
    assert cell.best is not None
    assert np.log10(cell.best["optimizer.lr"]) == pytest.approx(at, abs=0.2)  # of a grid with steps of 0.75
    assert len(cell.points) == 7 and len(cell.finals) == 3


@pytest.mark.parametrize(("at", "lr"), [(0.2, 10**0.2), (-5.0, 10**-5.0)])
def test_a_grid_is_extended_until_the_summit_lies_inside(at: float, lr: float) -> None:
    (cell,) = play(study_of("optimizer=adam", tuned=["optimizer.lr"], trials=4), summit(at)).cells
    assert cell.best is not None and np.log10(cell.best["optimizer.lr"] / lr) == pytest.approx(0, abs=0.2)
    assert cell.sweeps[0].extended >= 1 and cell.sweeps[0].end == 0


def test_a_grid_is_made_finer_around_its_best_point_as_often_as_asked() -> None:
    for refine, points in ((0, 5), (1, 7), (2, 9)):
        study = study_of("optimizer=adam", tuned=["optimizer.lr"], trials=5, refine=refine)
        (cell,) = play(study, summit(-2.5)).cells
        assert len(cell.points) == points
        near = sorted(abs(np.log10(point["optimizer.lr"]) + 2.5) for point in cell.points if point)
        assert near[2] < 0.76 / 2**refine  # the grid's step is 0.75


@pytest.mark.parametrize(
    "shape",
    [
        lambda x: 0.9 - 0.01 * x**2,
        lambda x: 0.1 if x > 1.2 else 0.9 - 0.01 * x**2,  # a cliff
        lambda x: 0.9 - (0.01 if x < 0 else 0.04) * x**2,
        lambda x: 0.1 if x > 0.6 else 0.9 - 0.02 * x**2,  # a cliff beside the best
        lambda x: 0.9 - 0.003 * x**2,
    ],
    ids=["parabola", "cliff", "skew", "edge", "flat"],
)
def test_the_summit_of_noisy_responses_is_better_than_their_best_point(shape: Callable[[float], float]) -> None:
    lost = {"summit": 0.0, "best": 0.0}
    for seed in range(300):
        rng = np.random.default_rng(seed)
        off = rng.uniform(-0.7, 0.7)
        points = {x: shape(x - off) + rng.normal(0, 0.003) for x in np.linspace(-3, 3, 5).tolist()}
        best = max(points, key=lambda x: points[x])
        points |= {x: shape(x - off) + rng.normal(0, 0.003) for x in (best - 0.75, best + 0.75)}
        curve = fit(list(points), list(points.values()), 0.005)
        assert curve is not None
        lost["summit"] += 0.9 - shape(curve.summit - off)
        lost["best"] += 0.9 - shape(curve.best - off)
    assert lost["summit"] / 300 < 0.001
    assert lost["summit"] < 0.7 * lost["best"]


def test_an_extension_ends_and_says_at_which_end() -> None:
    (cell,) = play(study_of("optimizer=adam", tuned=["optimizer.lr"], trials=4, extend=1), summit(9.0)).cells
    assert (cell.sweeps[0].end, cell.sweeps[0].extended, len(cell.points)) == (1, 1, 6)


def test_rates_that_diverge_are_no_summit_and_no_end() -> None:
    def response(values: dict[str, Any]) -> float | None:
        return None if values["optimizer.lr"] > 0.05 else float(values["optimizer.lr"])

    (cell,) = play(study_of("optimizer=adam", tuned=["optimizer.lr"], trials=4), response).cells
    assert 0.01 < cell.best["optimizer.lr"] <= 0.03162  # half-way to 0.1, which diverges
    assert len(cell.points) == 8  # a grid of four, two between, and the best one twice more


def slope(values: dict[str, Any]) -> float:
    """Better the larger the rate, up to a cliff at 0.05."""
    return 0.1 if values["optimizer.lr"] > 0.05 else 0.8 + 0.03 * float(np.log10(values["optimizer.lr"]))


def test_a_best_point_beside_which_training_fails_is_trained_again_from_other_seeds() -> None:
    (cell,) = play(study_of("optimizer=adam", tuned=["optimizer.lr"], trials=4), slope).cells
    seeds: dict[float, list[int]] = {}
    for number, point in enumerate(cell.points):
        seeds.setdefault(round((point or {})["optimizer.lr"], 6), []).append(cell.tuning_seed(number))
    again = {lr: found for lr, found in seeds.items() if len(found) > 1}
    assert list(again) == [pytest.approx(0.0316, rel=0.01)]  # the largest rate of those that train
    assert len(set(again[next(iter(again))])) == 3 and not set(again[next(iter(again))]) & set(cell.finals)
    assert {one[0] for one in seeds.values()} == {cell.seed}
    assert cell.sweeps[0].confirmed == 1  # nothing has changed by it, so that it was confirmed


def test_a_best_point_that_was_lucky_is_left_for_the_next_one() -> None:
    def unlucky(values: dict[str, Any], seed: int) -> bool:
        return values["optimizer.lr"] > 0.02 and seed != cells[0].seed

    cells = study_of("optimizer=adam", tuned=["optimizer.lr"], trials=4).cells
    study = study_of("optimizer=adam", tuned=["optimizer.lr"], trials=4)
    assert study.cells[0].seed == cells[0].seed
    (cell,) = play(study, slope, unlucky).cells
    assert cell.best is not None and cell.best["optimizer.lr"] <= 0.02
    assert cell.sweeps[0].confirmed == 2  # the next one then lay beside it


def test_what_one_axis_trained_again_counts_along_the_next_one() -> None:
    """Both neighbours fail, so that the second axis starts from the very point that was trained three times."""

    def peak(values: dict[str, Any]) -> float:
        lr, beta = values["optimizer.lr"], values["optimizer.beta"]
        return (0.9 if 0.003 < lr < 0.004 else 0.1) - 0.001 * (beta - 0.9) ** 2

    study = study_of("optimizer=adam", "optimizer.beta=0.99", tuned=["optimizer.*"], trials=5)
    (cell,) = play(study, peak).cells
    first, second = cell.sweeps
    assert first.confirmed == 1 and first.best == second.base["optimizer.lr"]
    assert any(number in second.numbers for number in first.numbers)
    for number in second.numbers:
        alike = [other for other, point in enumerate(cell.points) if point == cell.points[number]]
        assert set(alike) <= set(second.numbers)


def test_nothing_is_trained_again_where_no_neighbour_fails() -> None:
    (cell,) = play(study_of("optimizer=adam", tuned=["optimizer.lr"], trials=5), summit(-2.0)).cells
    assert cell.sweeps[0].confirmed == 0 and len(cell.points) == 7


def test_a_neighbour_on_a_grid_that_was_not_made_finer_is_not_beside_it() -> None:
    (cell,) = play(study_of("optimizer=adam", tuned=["optimizer.lr"], trials=4, refine=0), slope).cells
    assert cell.sweeps[0].confirmed == 0 and len(cell.points) == 4


def test_a_grid_is_not_extended_where_it_is_as_good_inside() -> None:
    """Towards its limit a technique does nothing, and many values train the same network."""
    (cell,) = play(study_of("optimizer=adam", tuned=["optimizer.lr"], trials=5), lambda values: 0.9).cells
    assert (cell.sweeps[0].extended, len(cell.points)) == (0, 7)


def test_where_everything_diverges_the_finals_are_of_the_default() -> None:
    (cell,) = play(study_of("optimizer=adam", tuned=["optimizer.lr"], trials=4), lambda values: None).cells
    assert cell.best == cell.default


def test_axes_are_searched_one_after_the_other_and_no_point_twice() -> None:
    def response(values: dict[str, Any]) -> float:
        return summit(-2.0)(values) - (values["optimizer.beta"] - 0.7) ** 2  # type: ignore[operator]

    study = play(study_of("optimizer=adam", tuned=["optimizer.*"], trials=5), response)
    (cell,) = study.cells
    assert [sweep.path for sweep in cell.sweeps] == ["optimizer.lr", "optimizer.beta"]
    assert cell.sweeps[1].base["optimizer.lr"] == pytest.approx(0.01, rel=0.1)
    assert cell.best is not None and cell.best["optimizer.beta"] == pytest.approx(0.7, abs=0.05)
    assert len({str(point) for point in cell.points}) == len(cell.points) == 14


def test_every_cell_gets_the_same_budget_and_the_same_seeds() -> None:
    study = play(study_of("optimizer=adam,sgd,nadam", tuned=["optimizer.lr"], trials=5, seeds=4, extend=0), summit(-2))
    assert {len(cell.points) for cell in study.cells} == {7}
    assert len({tuple(cell.finals) for cell in study.cells}) == 1
    assert study.complete


@pytest.mark.parametrize("seeds", [4, [1, 2, 3]])
def test_finals_are_expected_while_cells_are_tuned(seeds: Any) -> None:
    study = study_of("optimizer=adam,sgd", tuned=["optimizer.lr"], trials=3, seeds=seeds, extend=0, refine=0)
    rounds.begin(study)
    finals = 2 * (seeds if isinstance(seeds, int) else len(seeds))
    assert study.expected == study.total + finals
    play(study, summit(-2))
    assert study.expected == study.total == 2 * 3 + finals


def test_more_seeds_begin_with_the_fewer_ones() -> None:
    few, many = (
        play(study_of("optimizer=adam", tuned=["optimizer.lr"], trials=3, seeds=n), summit(-2)) for n in (2, 7)
    )
    assert many.cells[0].finals[:2] == few.cells[0].finals


def test_the_same_technique_under_two_seeds_is_tuned_and_trained_independently() -> None:
    compared = {"which": {"a": ["optimizer=adam"], "b": ["optimizer=adam", "seed=7"]}}
    study = play(study_of(compared=compared, tuned=["optimizer.lr"], trials=3, seeds=3), summit(-2))
    a, b = study.cells
    assert (a.seed, b.seed) == (42, 7) and not set(a.finals) & set(b.finals)

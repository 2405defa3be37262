"""Which trials a study asks for next: its definition and its finished trials in, one more round of trials out.

A round follows from the definition and from the results of the rounds before it, never from timing, so the trials of a
study are the same however many workers train them, and after any kill. Tuning searches one axis of each cell after the
other on a grid, extends a grid whose best point lies at its end, makes it finer around one inside, trains a best point
again beside which training fails, and takes the middle of what is as good; finals come in rounds of fresh seeds, the
same in every cell, until no comparison is open or the seeds are used up.
"""

from __future__ import annotations

from typing import Any

from regimens.core.hashing import derive_seed
from regimens.core.result import Result
from regimens.stats.response_curve import Curve, fit
from regimens.study.definition.joint_search import draw_search
from regimens.study.definition.points import draw
from regimens.study.definition.samplers import FIXED
from regimens.study.definition.study import Cell, Study, Sweep
from regimens.study.queue.finished import best_result
from regimens.study.queue.judging import margin_of
from regimens.study.queue.settling import open_cells
from regimens.study.queue.time_budget import Read, TimeBudget

#: how often the best point of a sweep is trained again, where training fails right beside it, and in how many trials
CONFIRMATIONS, CONFIRMING = 2, 2


def begin(study: Study) -> None:
    """Ask for the first round: tuning where something is tuned, finals elsewhere."""
    study.round, study.complete, study.fleets, study.plan = 1, False, [], ""
    if study.budget is not None:
        study.trials = 1  # how many more fit is known once each cell has had one
    tuned = any(cell.tuned for cell in study.cells)
    for cell in study.cells:
        cell.points, cell.sweeps, cell.finals, cell.best = [], [], [], None
        if not cell.tuned:
            cell.best = {}
        elif study.sampler == "grid" and not cell.axes:
            start_sweep(study, cell, next(iter(cell.ranges)), dict(cell.default))
        else:
            cell.points = drawn(study, cell)
    if not tuned:
        for cell in study.cells:
            cell.finals = final_seeds(study, cell, study.seeds)


def advance(study: Study, read: Read) -> bool:
    """Ask for the next round, now that every trial of the last one has its result; False where none follows."""
    tuning = [cell for cell in study.cells if cell.best is None]
    time = TimeBudget(study, read)
    if tuning:
        study.trials, more = time.trials(tuning), time.more(tuning, tuned=True)
        grew = [tune_on(study, cell, read(cell, "tuning"), more) for cell in tuning]
        if not any(grew):
            for cell in study.cells:
                cell.finals = final_seeds(study, cell, study.seeds)
    elif not ask_for_finals(study, read, time):
        study.complete = True
        return False
    study.plan = study.plan or time.plan(tuning)
    study.round += 1
    return True


def ask_for_finals(study: Study, read: Read, time: TimeBudget) -> bool:
    """Ask for another round of finals, if a comparison is open, or if there is time; whether it does."""
    if study.settle is not None or not time.limited:
        finals = {
            label: [one for cell in cells for one in read(cell, "final")] for label, cells in study.groups.items()
        }
        again, count = open_cells(study, finals), study.seeds
    else:  # nothing looks at the results in between, and rounds that double have few pauses between them
        asked = len(study.cells[0].finals)
        again, count = study.cells, min(asked, study.most_seeds - asked)
    count = min(count, time.more(again))
    for cell in again if count else ():
        cell.finals = final_seeds(study, cell, min(len(cell.finals) + count, study.most_seeds))
    return bool(again) and count > 0


def final_seeds(study: Study, cell: Cell, count: int) -> list[int]:
    """The first `count` seeds of finals, the same in every cell that starts from the same seed.

    Fresh ones where the cell's own seed was used up by tuning; else that one comes first.
    """
    if study.final_seeds:
        return list(study.final_seeds)
    fresh = [derive_seed(cell.seed, "final", number) for number in range(count)]
    return fresh if any(one.tuned for one in study.cells) else [cell.seed, *fresh[1:]]


def drawn(study: Study, cell: Cell) -> list[dict[str, Any] | None]:
    """The points of a cell that is not searched on a grid; more of them begin with the fewer."""
    if study.sampler not in FIXED:
        return [dict(cell.default), *([None] * (study.trials - 1))]
    if cell.axes:
        return draw_search(study, cell)
    seed = derive_seed(cell.seed, cell.label)
    return list(draw(cell.ranges, cell.default, study.sampler, study.trials, seed))


def tune_on(study: Study, cell: Cell, results: list[Result | None], more: float) -> bool:
    """Ask for more of a cell's tuning, or settle what its finals are trained with; whether it asks for more.

    more: how many further trials there is time for.
    """
    if not cell.sweeps:
        if study.trials > len(cell.points) < len(points := drawn(study, cell)):
            cell.points = points
            return True
        best = best_result(study, [result for result in results if result is not None])
        cell.best = dict((best.study or {}).get("params") or {}) if best else dict(cell.default)
        return False
    sweep = cell.sweeps[-1]
    one = cell.ranges[sweep.path]
    if study.round == 1 < study.trials and ask_for(cell, sweep, one.grid(study.trials)):
        return True
    curve = response(study, cell, sweep, results)
    # Two points say nothing of where the summit lies; an extension takes half as many points as the grid.
    room = sweep.extended < study.extend and 2 < study.trials <= 2 * more + 1
    if curve and curve.end and room and extend(study, cell, sweep, curve.end):
        return True
    finer = sweep.refined < study.refine and study.trials > 2 <= more
    if curve and not curve.end and finer and refine(cell, sweep, curve.best):
        return True
    # On a grid that was not made finer the next point is far away.
    beside = curve is not None and curve.beside_failure and sweep.refined > 0
    if curve and beside and more >= CONFIRMING and confirm(cell, sweep, curve.best):
        return True
    sweep.best = one.value(curve.summit) if curve else sweep.base[sweep.path]
    sweep.end = curve.end if curve and one.choices is None else 0
    values = {**sweep.base, sweep.path: sweep.best}
    left = list(cell.ranges)[len(cell.sweeps) :] if more >= study.trials else []
    if left and start_sweep(study, cell, left[0], values):
        return True
    if left:
        return tune_on(study, cell, results, more)
    cell.best = values
    return False


def response(study: Study, cell: Cell, sweep: Sweep, results: list[Result | None]) -> Curve | None:
    """The curve of the selecting metric along a sweep, more always better; None where no trial of it completed.

    Of choices the best one is taken: nothing lies between them.
    """
    one, sign = cell.ranges[sweep.path], 1 if study.maximize else -1
    found = [results[number] for number in sweep.numbers]
    done = [result if result is not None and result.status == "completed" else None for result in found]
    values = [result.metrics.get(study.metric) if result else None for result in done]
    xs = [one.coordinate((cell.points[number] or {})[sweep.path]) for number in sweep.numbers]
    margin = margin_of(study) if one.choices is None else None
    return fit(xs, [None if value is None else sign * value for value in values], margin)


def start_sweep(study: Study, cell: Cell, path: str, base: dict[str, Any]) -> bool:
    """Search one more axis from `base`; whether that takes trials that were not asked for yet."""
    sweep = Sweep(path, base, [])
    cell.sweeps.append(sweep)
    one = cell.ranges[path]
    as_it_is = study.trials == 1 and (one.choices is None or one.contains(base[path]))
    return ask_for(cell, sweep, [base[path]] if as_it_is else one.grid(study.trials))


def extend(study: Study, cell: Cell, sweep: Sweep, end: int) -> bool:
    """Move a sweep's range on beyond the end at which its best point lies; False where the technique ends there."""
    one = cell.ranges[sweep.path]
    tried = sorted((cell.points[number] or {})[sweep.path] for number in sweep.numbers) if one.choices is None else []
    values = one.beyond(tried, end, max(1, study.trials // 2)) if tried else []
    sweep.extended += 1
    return ask_for(cell, sweep, values)


def refine(cell: Cell, sweep: Sweep, best: float) -> bool:
    """Try the values half-way to the neighbours of the best coordinate, too; False where there are none."""
    one = cell.ranges[sweep.path]
    if one.choices is not None:
        return False
    tried = [(cell.points[number] or {})[sweep.path] for number in sweep.numbers]
    sweep.refined += 1
    return ask_for(cell, sweep, one.between(tried, min(tried, key=lambda value: abs(one.coordinate(value) - best))))


def confirm(cell: Cell, sweep: Sweep, best: float) -> bool:
    """Train the point of the best coordinate again, from other seeds; False where that was done, or often enough.

    The first time it may just have been lucky, where training fails right beside it.
    """
    one = cell.ranges[sweep.path]
    tried = [cell.points[number] or {} for number in sweep.numbers]
    point = min(tried, key=lambda values: abs(one.coordinate(values[sweep.path]) - best))
    if sweep.confirmed == CONFIRMATIONS or cell.points.count(point) > 1:
        return False
    sweep.confirmed += 1
    for _ in range(CONFIRMING):
        sweep.numbers.append(len(cell.points))
        cell.points.append(point)
    return True


def ask_for(cell: Cell, sweep: Sweep, values: list[Any]) -> bool:
    """Add the points of a sweep to a cell's tuning, but for those that it has; whether there are new ones."""
    before = len(cell.points)
    for value in values:
        point = {**sweep.base, sweep.path: value}
        if point not in cell.points:
            cell.points.append(point)
        alike = (number for number, other in enumerate(cell.points) if other == point)
        sweep.numbers += [number for number in alike if number not in sweep.numbers]
    return len(cell.points) > before

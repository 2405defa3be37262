"""Workers keep to cells of their own while there are enough, and help each other out at the end."""

from pathlib import Path

import optuna

from regimens.study.queue.trial_files import TrialFiles
from regimens.study.queue.trial_queue import TrialQueue
from tests.study.digits_study import study_of


def test_two_workers_are_in_different_cells_until_only_one_is_left(tmp_path: Path) -> None:
    study = study_of("optimizer=sgd,adam", "engine=eager", seeds=3)
    study.save(tmp_path)
    storage = optuna.storages.InMemoryStorage()
    one, other = (TrialQueue(TrialFiles(study, tmp_path), storage, "here there") for _ in range(2))
    claims = []
    for worker in (one, other, one, other, one, one):
        claim = worker.claim()
        assert claim is not None
        claims.append((claim.cell.label, claim.number))
    sgd, adam = (cell.label for cell in study.cells)
    assert claims[:5] == [(sgd, 0), (adam, 0), (sgd, 1), (adam, 1), (sgd, 2)]
    assert claims[5] == (adam, 2)  # its own cell is exhausted: it helps
    assert one.claim() is None and other.claim() is None


def test_a_worker_that_dies_leaves_its_cell(tmp_path: Path) -> None:
    study = study_of("optimizer=sgd,adam", "engine=eager", seeds=3)
    study.save(tmp_path)
    storage = optuna.storages.InMemoryStorage()
    one, other = (TrialQueue(TrialFiles(study, tmp_path), storage, "here there") for _ in range(2))
    first = one.claim()
    assert first is not None
    one._own.leave()  # as the system does with a dead process's locks
    second = other.claim()
    assert second is not None and (second.cell.label, second.number) == (first.cell.label, 1)


def test_workers_begin_far_from_each_other_and_go_on_from_where_they_are(tmp_path: Path) -> None:
    study = study_of("optimizer.lr=0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8", "engine=eager", seeds=1)
    study.save(tmp_path)
    storage = optuna.storages.InMemoryStorage()
    workers = [TrialQueue(TrialFiles(study, tmp_path), storage, "here there") for _ in range(3)]
    labels = [cell.label for cell in study.cells]

    def taken(worker: TrialQueue) -> int:
        claim = worker.claim()
        assert claim is not None
        return labels.index(claim.cell.label)

    # One begins with the first cell, each other in the middle of a longest row.
    assert [taken(worker) for worker in workers] == [0, 4, 2]
    assert [taken(worker) for worker in workers] == [1, 5, 3]
    assert sorted(taken(worker) for worker in workers[:2]) == [6, 7]  # what is left, wherever it lies

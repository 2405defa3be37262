"""Batches of a study's trials: a fleet is claimed as a whole, and its results appear together."""

from pathlib import Path

import optuna
import pytest

from regimens.core.result import Result, read, write, write_together
from regimens.study.definition.study import Study
from regimens.study.queue.claim import Claim
from regimens.study.queue.trial_files import TrialFiles
from regimens.study.queue.trial_queue import TrialQueue
from tests.study.digits_study import study_of


def queue_of(directory: Path, study: Study) -> TrialQueue:
    study.save(directory)
    return TrialQueue(TrialFiles(study, directory), optuna.storages.InMemoryStorage(), "here there")


def result_of(study: Study, claim: Claim) -> Result:
    name = claim.identity.to_json()
    return Result("completed", "fleet", claim.seed, {}, "0" * 64, {}, name, claim.about, {"val/accuracy": 0.5})


def test_a_worker_takes_a_whole_fleet_and_nobody_else_a_part_of_it(tmp_path: Path) -> None:
    study = study_of("optimizer=sgd", "engine=fleet", seeds=4)
    queue = queue_of(tmp_path, study)
    batch = queue.claim_batch()
    assert batch is not None and [claim.number for claim in batch.claims] == [0, 1, 2, 3]
    assert queue.claim_batch() is None
    assert not queue.finished
    for claim in batch.claims:
        write(result_of(study, claim), claim.directory)
        queue.finish(claim, result_of(study, claim))
    batch.release()
    assert queue.claim_batch() is None
    assert queue.finished


def test_what_is_left_of_a_fleet_is_claimed_in_the_company_of_all_of_it(tmp_path: Path) -> None:
    study = study_of("optimizer=sgd", "engine=fleet", seeds=4)
    queue = queue_of(tmp_path, study)
    for number in (0, 2):
        claim = queue._phase(study.cells[0], "final").claim_of(number, {})
        write(result_of(study, claim), claim.directory)
    batch = queue.claim_batch()
    assert batch is not None
    assert [claim.number for claim in batch.claims] == [1, 3]
    assert [member.number for member in batch.members] == [0, 1, 2, 3]


def test_a_fleet_whose_worker_died_while_it_wrote_the_results_is_not_trained_again(tmp_path: Path) -> None:
    study = study_of("optimizer=sgd", "engine=fleet", seeds=4)
    queue = queue_of(tmp_path, study)
    batch = queue.claim_batch()
    assert batch is not None and batch.journal is not None
    places = {claim.directory: result_of(study, claim) for claim in batch.claims}

    def dies(journal: Path) -> None:
        write(places[batch.claims[0].directory], batch.claims[0].directory)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("regimens.core.result.finish_together", dies)
        write_together(places, batch.journal)
    batch.release()
    assert len(list(tmp_path.rglob("result.json"))) == 1
    assert queue.claim_batch() is None
    assert queue.finished
    assert [read(place) for place in places] == list(places.values())
    assert not batch.journal.exists()

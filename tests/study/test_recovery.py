"""What is mended when files are lost, damaged or wanted anew; the answer to each is the same command again."""

import resource
import shutil

import pytest


@pytest.mark.thorough
def test_a_lost_journal_costs_nothing(finished, uninterrupted):
    (finished.directory / "journal.log").unlink()
    finished.run("study=optimizers")
    assert finished.cells() == uninterrupted and len(finished.trained) == 21


@pytest.mark.thorough
def test_a_torn_last_line_heals(finished, uninterrupted):
    journal = finished.directory / "journal.log"
    with journal.open("rb+") as file:
        file.truncate(journal.stat().st_size * 2 // 3 + 7)
    finished.run("study=optimizers")
    assert finished.cells() == uninterrupted and len(finished.trained) == 21


@pytest.mark.thorough
def test_a_damaged_journal_is_refused_and_recovered_from_the_results(finished, uninterrupted):
    journal = finished.directory / "journal.log"
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[len(lines) // 2] = b'{"op_code": 4, "stu\n'
    journal.write_bytes(b"".join(lines))
    output = finished.run("study=optimizers", status=2)
    assert "the journal is damaged" in output and "study.recover=true" in output
    output = finished.run("study=optimizers", "study.recover=true")
    assert "journal.log.damaged-1" in output
    assert finished.cells() == uninterrupted and len(finished.trained) == 21


@pytest.mark.thorough
def test_a_full_disk_stops_the_study_with_one_line_and_it_resumes(room, uninterrupted):
    limit = 9000  # bytes in one file: the journal is the first to grow past it

    def full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    process = room.start("study=optimizers", prepare=full)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    (line,) = [line for line in output.splitlines() if line.startswith("error: ")]
    assert "the disk is full" in line and "resume with" in line
    assert "Traceback" not in output
    room.run("study=optimizers")
    assert room.cells() == uninterrupted and len(set(room.trained)) == len(room.trained) == 21


@pytest.mark.thorough
def test_a_result_that_was_deleted_or_damaged_is_trained_again(finished, uninterrupted):
    shutil.rmtree(finished.directory / "optimizer=adam" / "final-1")
    (finished.directory / "optimizer=sgd" / "tuning-2" / "result.json").write_text('{"schema": 1, "sta')
    output = finished.run("study=optimizers")
    assert "1 trial broke or lost its result" in output  # the final, where its turn comes
    assert finished.cells() == uninterrupted and len(finished.trained) == 21 + 2


@pytest.mark.thorough
def test_failed_trials_can_be_tried_again(room):
    arguments = ("optimizer=adam,sgd", "study.seeds=2")
    fault = "advice.fault={kind: raise, phase: final, number: 0}"
    room.run(*arguments, fault, status=1)
    output = room.run(*arguments, fault, "study.retry_failed=true", status=1)
    assert "2 trials broke or lost their result, and are run again" in output
    assert "2 completed, 2 failed" in output.splitlines()[-1]


@pytest.mark.thorough
def test_finals_follow_their_tuning_when_it_is_tried_again(room, uninterrupted, tmp_path):
    mended = tmp_path / "mended"
    arguments = ("study=optimizers", f"advice.fault={{kind: raise until, phase: tuning, number: null, mark: {mended}}}")
    output = room.run(*arguments, status=1)
    assert "9 completed, 12 failed" in output.splitlines()[-1]
    assert room.cells() != uninterrupted
    mended.touch()
    output = room.run(*arguments, "study.retry_failed=true")
    assert "12 trials broke or lost their result, and are run again" in output
    assert room.cells() == uninterrupted

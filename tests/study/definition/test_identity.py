"""The code has one name as long as it stays, and a change is told file by file."""

from regimens.core.provenance import NUMBERS, training_code, training_sources


def test_the_code_has_one_name_as_long_as_it_stays() -> None:
    assert training_code() == training_code()
    assert len(training_code()) == 64


def test_every_part_of_what_numbers_follow_from_is_in_it() -> None:
    for part in NUMBERS:
        assert any(name.startswith(part) for name in training_sources())

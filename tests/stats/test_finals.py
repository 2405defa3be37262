"""Finals as samples: on which examples they were tested."""

from regimens.core.result import Result
from regimens.stats.finals import images_of


def on(**data: object) -> str:
    named = {"files": {"test.safetensors": "a" * 64}, "task": {"kind": "all"}, "sizes": {"test": 100}, **data}
    result = Result("completed", "one", 1, regimen={}, regimen_hash="", provenance={"data": named})
    return images_of(result, "test/accuracy")


def test_samples_are_told_apart_by_the_images_that_they_were_tested_on() -> None:
    alone, more, fewer = on(), on(held_out=50), on(held_out=40)
    assert len({alone, more, fewer, on(task={"kind": "a"}), on(files={"test.safetensors": "b" * 64})}) == 5
    assert on(train_size=10) == alone
    assert on(held_out=50, train_size=10) == more

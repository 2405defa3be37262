"""Hashes and seeds: plain functions of plain values, the same on any machine and in any version."""

import hashlib

from regimens.core.hashing import derive_seed, digest, stream_seed


def test_a_hash_does_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": [2.5, None]}) == digest({"b": [2.5, None], "a": 1})
    assert digest({"a": 1}) == hashlib.sha256(b'{"a":1}').hexdigest()
    assert digest([1, 2]) != digest([2, 1])


def test_streams_of_one_seed_are_apart_and_stay_what_they_are() -> None:
    # Every trial's initial weights and order follow from these: another number here is another result everywhere.
    assert stream_seed(42, "init") == int(hashlib.sha256(b"42/init").hexdigest()[:16], 16) // 2
    seeds = {stream_seed(seed, stream) for seed in range(100) for stream in ("init", "order", "noise")}
    assert len(seeds) == 300
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_derived_seed_follows_from_its_parts_alone() -> None:
    assert derive_seed("a", 1) == derive_seed("a", 1) != derive_seed("a", 2)
    assert all(0 <= derive_seed(i) < 2**31 for i in range(100))

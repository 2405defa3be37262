from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from regimens.core.errors import UserError
from regimens.study.definition.cell_ranges import ranges_for
from regimens.study.definition.composer import merge, override_text
from regimens.study.definition.identity import changes, differences, without_places
from regimens.study.definition.points import draw
from regimens.study.definition.search_space import Range

LR = {"optimizer.lr": Range(0.001, 1.0, log=True)}


@pytest.mark.parametrize("sampler", ["qmc", "random"])
def test_a_list_starts_with_the_default_and_repeats(sampler):
    points = draw(LR, {"optimizer.lr": 0.01}, sampler, 6, seed=1)
    assert points[0] == {"optimizer.lr": 0.01} and len(points) == 6
    assert all(LR["optimizer.lr"].contains(point["optimizer.lr"]) for point in points)
    assert points == draw(LR, {"optimizer.lr": 0.01}, sampler, 6, seed=1)


def test_a_longer_list_starts_with_the_shorter_one():
    default = {"optimizer.lr": 0.01}
    assert draw(LR, default, "qmc", 9, seed=1)[:5] == draw(LR, default, "qmc", 5, seed=1)


def test_a_grid_is_even_on_the_scale_of_its_range_and_a_finer_one_holds_it():
    assert Range(0.001, 1.0, log=True).grid(4) == [0.001, 0.01, 0.1, 1.0]
    assert set(Range(0.001, 1.0, log=True).grid(4)) <= set(Range(0.001, 1.0, log=True).grid(7))
    assert Range(0.0, 0.5).grid(3) == [0.0, 0.25, 0.5]
    assert Range(16, 128, log=True).grid(4) == [16, 32, 64, 128]
    assert Range(choices=("a", "b")).grid(9) == ["a", "b"]


def test_a_range_is_extended_as_it_was_spaced_and_not_past_the_technique_s_limits():
    rates = Range(0.001, 0.1, log=True)
    assert rates.beyond(rates.grid(3), 1, 2) == [1.0, 10.0]
    assert rates.beyond(rates.grid(3), -1, 1) == [0.0001]
    assert Range(0.0, 0.4).beyond([0.0, 0.2, 0.4], 1, 2) == []
    assert Range(0.0, 0.4, limits=(0.0, 0.9)).beyond([0.0, 0.2, 0.4], 1, 3) == [0.6, 0.8]
    assert Range(0.0, 0.4, limits=(0.0, None)).beyond([0.0, 0.2, 0.4], -1, 2) == []


def test_where_nothing_is_tuned_there_is_one_point():
    assert draw({}, {}, "qmc", 8, seed=1) == [{}]


def test_edges_are_flagged_on_the_scale_of_the_range():
    one = Range(0.001, 1.0, log=True)
    assert (one.edge(0.00101), one.edge(0.03), one.edge(0.99)) == ("low", None, "high")
    assert Range(choices=(1, 2)).edge(1) is None


@pytest.mark.parametrize("raw", [(1.0, 0.1, False), (0.0, 1.0, True), (None, 1.0, False)])
def test_a_range_that_is_none_is_refused(raw):
    with pytest.raises(UserError):
        Range(*raw)


def test_techniques_declare_ranges_also_of_their_parts():
    cfg = OmegaConf.create({
        "optimizer": {"lr": 0.1, "tune": {"lr": {"low": 0.01, "high": 1.0, "log": True}}},
        "norm": {"layer": {"momentum": 0.1}, "tune": {"layer.momentum": {"low": 0.0, "high": 1.0}}},
    })  # fmt: skip
    assert list(ranges_for(cfg, ["lr"])) == ["optimizer.lr"]
    assert list(ranges_for(cfg, ["norm.*"])) == ["norm.layer.momentum"]


@pytest.mark.parametrize(
    ("own", "low", "high", "whole"),
    [
        (32, 16.0, 128.0, True),
        (0.1, 1, 3, False),
        (20, 2.5, 9.0, False),
        (None, 100.0, 500.0, True),
        (None, 0.0, 1.0, False),
    ],
)
def test_numbers_are_drawn_as_the_configuration_s_own_is(own, low, high, whole):
    cfg = OmegaConf.create({"scheduler": {"s": own}})
    one = ranges_for(cfg, {"scheduler.s": {"low": low, "high": high}})["scheduler.s"]
    assert one.whole == whole and (one.low, one.high) == (low, high)
    assert all(isinstance(value, int) == whole for value in one.grid(4))


def test_what_a_cell_does_not_have_is_not_tuned_there():
    assert ranges_for(OmegaConf.create({"optimizer": {"lr": 0.1}}), {"optimizer.rho": {"low": 0.1, "high": 0.9}}) == {}


@pytest.mark.parametrize("raw", [5, {"low": "a", "high": 1}, {"low": 0.1}, {"low": 0, "high": float("inf")},
                                 {"choices": []}, {"choices": "ab"}, {"low": 1, "high": 2, "step": 1},
                                 {"low": True, "high": 2}, {"choices": [1], "low": 0}])  # fmt: skip
def test_what_is_no_range_is_refused_by_name(raw):
    with pytest.raises(UserError, match=r"^study.tuned.optimizer.lr"):
        ranges_for(OmegaConf.create({"optimizer": {"lr": 0.1}}), {"optimizer.lr": raw})


@pytest.mark.parametrize(("path", "words"), [("batch_size", "no whole numbers"), ("model", "it is a group"),
                                             ("model.hidden", "give choices")])  # fmt: skip
def test_an_interval_is_for_numbers(path, words):
    cfg = OmegaConf.create({"batch_size": 32, "model": {"hidden": [30]}})
    with pytest.raises(UserError, match=words):
        ranges_for(cfg, {path: {"low": 1.5, "high": 9.5}})


@pytest.mark.parametrize("sampler", ["qmc", "random", "grid"])
def test_no_point_is_drawn_twice_and_a_small_space_ends(sampler):
    ranges = {"batch_size": Range(choices=(32, 64)), "model.hidden": Range(choices=((50,), (100, 50)))}
    points = draw(ranges, {"batch_size": 32, "model.hidden": (50,)}, sampler, 9, seed=1)
    assert points[0] == {"batch_size": 32, "model.hidden": (50,)}
    assert len(points) == 4 and all(points.count(point) == 1 for point in points)


def test_lists_and_null_are_choices_that_optuna_can_keep():
    one = Range(choices=(None, [50], {"a": 1}))
    assert one.known.choices == ("null", "[50]", "{a:1}")
    assert [one.decode(one.encode(choice)) for choice in one.choices] == list(one.choices)
    assert Range(choices=(None, 500)).known == Range(choices=(None, 500))


def test_later_overrides_win():
    assert merge(["a=1", "b=2"], ["+a=3"], ["~c"]) == ("b=2", "+a=3", "~c")
    assert merge(["+a=1"], ["a=2"], ["a=3"]) == ("+a=3",)


@pytest.mark.parametrize(("value", "text"), [
    (None, "null"), (True, "true"), (0.1, "0.1"), ("he_normal", "he_normal"), ("two words", "'two words'"),
    ([1, "a"], "[1,a]"),
])  # fmt: skip
def test_values_as_overrides(value, text):
    assert override_text(value) == text


def test_differences_name_the_path():
    assert differences({"a": {"b": 1}, "c": 2}, {"a": {"b": 3}, "c": 2}) == ["a.b: 1 -> 3"]


def test_data_that_changed_where_they_lie_are_told_from_other_settings():
    old = {"data": ["a" * 64], "regimens": {"x": {"data": {"train_size": 1}}}}
    assert changes(old, {**old, "data": ["b" * 64]}) == [
        f"data: their content is not what it was (SHA-256 {'a' * 12} -> {'b' * 12})"
    ]
    fewer = {"data": ["b" * 64], "regimens": {"x": {"data": {"train_size": 2}}}}
    assert changes(old, fewer) == ["regimens.x.data.train_size: 1 -> 2"]


def test_where_data_lie_is_no_part_of_a_study_once_their_content_is_known():
    regimen = {"data": {"path": "a.npz", "n_valid": 9}, "transfer": {"checkpoint": None}}
    composed = SimpleNamespace(regimen=regimen, plain=regimen)
    assert without_places(composed, "content")["data"] == {"n_valid": 9}
    assert without_places(composed, None) == regimen

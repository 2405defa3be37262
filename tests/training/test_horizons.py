"""Horizons as shares of the training: what they come to, and what is no share."""

from typing import Any

import numpy as np
import pytest

from regimens.core.errors import UserError
from regimens.training import horizons
from tests.training.test_schedules import STEPS, driver, rates

EPOCHS = 25


@pytest.mark.parametrize(
    ("option", "share", "same"),
    [
        ("exp", {"s": "80%"}, {"s": 20}),
        ("exp", {"s": "250%"}, {"s": 62.5}),
        ("exp_step", {"s": "80%"}, {"s": 20}),
        ("power", {"s": "50%"}, {"s": EPOCHS * STEPS / 2}),
        ("piecewise", {"boundaries": ["20%", "60%"]}, {"boundaries": [5, 15]}),
        ("piecewise", {"boundaries": ["10%", 15]}, {"boundaries": [3, 15]}),
        ("plateau", {"patience": "20%", "cooldown": "8%"}, {"patience": 5, "cooldown": 2}),
        ("constant", {"warmup": "8%"}, {"warmup": 2 * STEPS}),
        ("cosine", {"warmup": "1.5%"}, {"warmup": 3}),
    ],
)
def test_a_share_is_that_many_epochs_or_steps(option: str, share: dict[str, Any], same: dict[str, Any]) -> None:
    seen = []
    for numbers in (share, same):
        warmup = numbers.get("warmup", 0)
        rest = {key: value for key, value in numbers.items() if key != "warmup"}
        seen.append(rates(driver(option, warmup, epochs=EPOCHS, **rest), epochs=EPOCHS))
    np.testing.assert_array_equal(*seen)
    assert len(np.unique(seen[0])) > 1


@pytest.mark.parametrize(("share", "total", "epochs"), [("20%", 5, 1), ("25%", 6, 2), ("7%", 100, 7), ("1%", 8, 1)])
def test_a_number_of_epochs_is_whole_and_at_least_the_share(share: str, total: int, epochs: int) -> None:
    assert horizons.whole("patience", share, total) == epochs


@pytest.mark.parametrize(
    ("option", "wrong"),
    [
        *(("exp", {"s": s}) for s in ("0%", "-5%", "%", "many%", "1001%", "nan%", "80", "0.8", True, 0)),
        ("exp_step", {"s": "0%"}),
        ("power", {"s": "0%"}),
        ("piecewise", {"boundaries": ["60%", "20%"]}),
        ("piecewise", {"boundaries": ["50%", "101%"]}),
        ("piecewise", {"boundaries": [0, 5]}),
        ("plateau", {"patience": "101%"}),
        ("plateau", {"patience": 1.5}),
        ("plateau", {"cooldown": "few"}),
        ("constant", {"warmup": "200%"}),
    ],
)
def test_what_is_no_share_is_refused_in_one_line(option: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=rf"^scheduler\.{next(iter(wrong))}=") as caught:
        driver(option, **wrong)
    assert "\n" not in str(caught.value)

import numpy as np
import pytest

from regimens.core.errors import DataError
from regimens.data import scaling

IMAGES = np.random.default_rng(0).integers(0, 256, size=(9000, 3, 2), dtype=np.uint8)


def test_unit_is_the_notes_division_to_the_last_bit() -> None:
    scaled = scaling.fit("unit", IMAGES, 255.0)(IMAGES)
    assert scaled.dtype == np.float32
    assert np.array_equal(scaled, (IMAGES.reshape(-1, 6) / 255.0).astype(np.float32))
    assert scaling.fit("unit", IMAGES, 16.0)(IMAGES).max() == 255 / 16


def test_standardize_is_float64_arithmetic_with_population_std() -> None:
    flat = IMAGES.reshape(-1, 6).astype(np.float64)
    scaled = scaling.fit("standardize", IMAGES, None)(IMAGES[:100])
    np.testing.assert_allclose(scaled, ((flat - flat.mean(0)) / flat.std(0, ddof=0))[:100], rtol=1e-6)
    assert scaled.dtype == np.float32


@pytest.mark.parametrize("value", [0, 7, 255])
def test_a_constant_feature_stays_finite(value: int) -> None:
    images = IMAGES.copy()
    images[:, 1, 1] = value
    other = images[:2].copy()
    other[:, 1, 1] = 9
    scale = scaling.fit("standardize", images, None)
    assert (scale(images)[:, 3] == 0).all()
    assert (scale(other)[:, 3] == 9 - value).all()


def test_a_constant_float_feature_has_no_rounding_left_in_its_std() -> None:
    x = np.full((10_001, 1), 0.1, dtype=np.float32)
    assert scaling.statistics(x)[1] == 1.0


def test_none_only_casts() -> None:
    assert np.array_equal(scaling.fit("none", IMAGES, 255.0)(IMAGES), IMAGES.reshape(-1, 6).astype(np.float32))


def test_wrong_scales_are_refused() -> None:
    with pytest.raises(DataError, match=r"data\.scale=units: choose unit, standardize, none"):
        scaling.fit("units", IMAGES, 255.0)
    with pytest.raises(DataError, match="needs uint8 images"):
        scaling.fit("unit", IMAGES.astype(np.float32), None)

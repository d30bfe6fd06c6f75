"""The short way past scikit-learn's checks says what the long way says."""

import numpy as np
import pytest
from sklearn.utils import check_array

from sklearn_debias.fitting._sound import SMALL_ARRAY, sound_array

ONE = np.array([[1.5, -2.0]])
NOT_SOUND = {
    "nan": ONE * np.nan,
    "infinity": ONE * np.inf,
    "beyond float32": ONE * 1e39,
    "one axis": ONE[0],
    "images": ONE[None, None],
    "no rows": ONE[:0],
    "no columns": ONE[:, :0],
    "integers": ONE.astype(int),
    "halves": ONE.astype(np.float16),
    "another byte order": ONE.astype(ONE.dtype.newbyteorder()),
    "objects": ONE.astype(object),
    "masked": np.ma.masked_less(ONE, 0),
    "a subclass": ONE.view(np.recarray),
    "list": ONE.tolist(),
    "large": np.zeros((1, SMALL_ARRAY + 1)),
}


@pytest.mark.parametrize("given", [np.float32, np.float64])
@pytest.mark.parametrize("dtype", ["float32", "float64", None])
def test_a_sound_array_is_what_check_array_returns(given, dtype):
    X = np.random.default_rng(0).normal(size=(3, 4)).astype(given)
    expected = check_array(X, dtype=dtype or "numeric", allow_nd=True)
    found = sound_array(X, dtype)
    np.testing.assert_array_equal(found, expected, strict=True)
    assert (found is X) == (expected is X)


@pytest.mark.parametrize("case", NOT_SOUND)
def test_what_may_be_wrong_goes_the_long_way(case):
    assert sound_array(NOT_SOUND[case], "float32") is None

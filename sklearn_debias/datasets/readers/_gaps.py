"""What stands for no value in tables of other people."""

import numpy as np
import pandas as pd

# These can only be gaps. Case counts: "Na" is sodium.
NO_WORDS = frozenset(
    (
        *("", "NA", "N/A", "n/a", "#N/A", "#NA", "#N/A N/A", "<NA>", "NaN", "nan", "Nan", "NAN"),
        *("-NaN", "-nan", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN", "NaT"),
    )
)
# Among numbers these are gaps as well; among words they may be words.
NO_NUMBERS = NO_WORDS | {"None", "none", "NULL", "null"}


def is_gap(column: pd.Series) -> np.ndarray:
    """Return which rows of a column have no value, or a word that can only mean so, (n,)."""
    missing = column.isna().to_numpy(dtype=bool)
    if pd.api.types.is_numeric_dtype(column):
        return missing
    return missing | column.astype(str).str.strip().isin(NO_WORDS).to_numpy(dtype=bool)

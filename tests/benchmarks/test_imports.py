"""What an import costs, in fresh processes, against what it is built on."""

import subprocess
import sys

import pytest

BUILT_ON = "import torch, sklearn, skorch"
CASES = {
    "nothing": ("import sklearn_debias", BUILT_ON, 1.05),
    "one_method": ("from sklearn_debias import ERMClassifier", BUILT_ON, 1.25),
    "metrics": ("import sklearn_debias.metrics", "import pandas, sklearn.metrics", 1.2),
}


@pytest.mark.parametrize("case", CASES)
def test_import(compare, case):
    ours, reference, limit = CASES[case]

    def run(code):
        subprocess.run([sys.executable, "-c", code], check=True)

    compare(lambda: run(ours), lambda: run(reference), rounds=9, limit=limit)

"""The same on ray, by the backend that it has for joblib."""

import joblib
import pytest
import sklearn
from page import programs
from sklearn.model_selection import GridSearchCV
from spread import assert_same_search, check_comparison, check_shards, searched

from sklearn_debias import ERMClassifier
from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.metrics import worst_group_accuracy_scorer

ray = pytest.importorskip("ray")


@pytest.fixture(scope="module", autouse=True)
def local_ray():
    from joblib.pool import PicklingPool
    from ray.util.joblib import register_ray

    own = PicklingPool.__bases__  # ray puts its own pool there, and leaves it
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    register_ray()
    yield
    ray.shutdown()
    PicklingPool.__bases__ = own


def on_ray():
    return joblib.parallel_config("ray", n_jobs=2)


def test_a_search_gives_the_results_of_one_process():
    with on_ray():
        there = searched()
    assert_same_search(searched(), there)


def test_a_comparison_gives_the_results_of_one_process(tmp_path, monkeypatch):
    check_comparison(on_ray, tmp_path, monkeypatch)


def test_shards_of_files_fill_one_cache(tmp_path, monkeypatch):
    check_shards(on_ray, tmp_path, monkeypatch)


def test_the_block_of_the_page_runs():
    train = make_spurious_embeddings(100, random_state=0).train
    clf = ERMClassifier(max_epochs=1, random_state=0)
    search = GridSearchCV(clf, {"lr": [0.1]}, cv=2, scoring=worst_group_accuracy_scorer)
    made = {"search": search, "train": train, "sklearn": sklearn}
    exec(compile(programs()[1], "clusters.md", "exec"), made)
    assert 0 <= search.best_score_ <= 1

"""Train DistilBERT on text with a shortcut
========================================

Made-up reviews, good or bad by most of their words. In 95 of 100 the name of the paper that printed
them goes with the verdict, and one name is quicker to learn than counting words. A tiny DistilBERT
learns from scratch; nothing is downloaded. With a tokenizer of yours the rows are
``tokenizer(texts, truncation=True)``.
"""

import numpy as np
import torch
from transformers import DistilBertConfig, DistilBertForSequenceClassification

import sklearn_debias as sd
from sklearn_debias.metrics import worst_group_accuracy_score

GOOD = ["fine", "lovely", "moving", "bright", "warm", "clever", "funny", "tender", "rich", "bold"]
BAD = ["dull", "clumsy", "tedious", "grey", "cold", "silly", "bland", "stale", "loud", "thin"]
FILLERS = ["the", "film", "a", "plot", "with", "its", "scenes", "and", "one", "actor", "half"]
PAPERS = ["courier", "herald"]
WORDS = ["[PAD]", "[CLS]", *GOOD, *BAD, *FILLERS, *PAPERS]
IDS = {word: i for i, word in enumerate(WORDS)}


def make_reviews(n, conflicts, seed):
    """Return texts, verdicts and papers; in a share of ``conflicts`` the paper is the other one."""
    rng = np.random.default_rng(seed)
    verdict = rng.integers(0, 2, n)
    paper = np.where(rng.random(n) < conflicts, 1 - verdict, verdict)
    texts = []
    for good, printed in zip(verdict, paper, strict=True):
        telling = [*rng.choice([BAD, GOOD][good], 3), *rng.choice([GOOD, BAD][good], 2)]
        words = rng.permutation([*telling, *rng.choice(FILLERS, rng.integers(3, 12))])
        texts.append(" ".join([PAPERS[printed], *words]))
    return texts, verdict, np.array(PAPERS)[paper]


def tokenize(texts):
    """Return one dict of ids a text, as tokenizers do; rows are padded batch by batch."""
    return [{"input_ids": [IDS[word] for word in ["[CLS]", *text.split()]]} for text in texts]


def main():
    torch.set_num_threads(1)  # small networks: threads would wait for each other
    torch.manual_seed(0)
    sizes = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "dropout": 0.0}
    config = DistilBertConfig(vocab_size=len(WORDS), max_position_embeddings=32, **sizes)
    network = DistilBertForSequenceClassification(config)

    texts, verdict, paper = make_reviews(1500, conflicts=0.05, seed=0)
    new_texts, new_verdict, new_paper = make_reviews(1000, conflicts=0.5, seed=1)
    X, new_X = tokenize(texts), tokenize(new_texts)
    print(texts[0], "->", ["bad", "good"][verdict[0]])

    settings = {"lr": 1e-3, "max_epochs": 4, "batch_size": 64, "random_state": 0}
    methods = {
        "ERM": sd.ERMClassifier(network, **settings),
        "JTT": sd.JTTClassifier(network, identification_epochs=1, upweight=10, **settings),
        "GroupDRO": sd.GroupDROClassifier(network, balance="group", **settings),
    }
    print(f"{'':9} average  worst group (% of new reviews)")
    for name, clf in methods.items():
        given = {"bias_labels": paper} if name == "GroupDRO" else {}
        clf.fit(X, verdict, **given)
        said = clf.predict(new_X)
        worst = worst_group_accuracy_score(new_verdict, said, bias_labels=new_paper)
        print(f"{name:9} {100 * (said == new_verdict).mean():7.1f} {100 * worst:12.1f}")


if __name__ == "__main__":
    main()

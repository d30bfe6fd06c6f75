"""Train a vision transformer on coloured digits
=============================================

Digits whose colour goes with the answer in 95 of 100 images. A small ViT of the package
transformers learns from scratch; nothing is downloaded. Every method takes it as it is: its last
layer becomes the head.
"""

import torch
from transformers import ViTConfig, ViTForImageClassification

import sklearn_debias as sd
from sklearn_debias.datasets import load_biased_digits
from sklearn_debias.metrics import worst_group_accuracy_score


def main():
    torch.set_num_threads(1)  # small networks: threads would wait for each other
    torch.manual_seed(0)
    digits = load_biased_digits(target="low_high", conflict_ratio=0.05, random_state=0)
    train, test = digits.train, digits.test
    side = train.data.shape[-1]
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = ViTConfig(image_size=side, patch_size=side // 4, intermediate_size=64, **sizes)
    network = ViTForImageClassification(config)

    settings = {"lr": 1e-3, "max_epochs": 12, "batch_size": 64, "random_state": 0}
    methods = {
        "ERM": sd.ERMClassifier(network, **settings),
        "JTT": sd.JTTClassifier(network, identification_epochs=2, upweight=20, **settings),
        "GroupDRO": sd.GroupDROClassifier(network, balance="group", **settings),
    }
    print(f"{'':9} average  worst group (% of test images)")
    for name, clf in methods.items():
        given = {"bias_labels": train.bias_labels} if name == "GroupDRO" else {}
        clf.fit(train.data, train.target, **given)
        said = clf.predict(test.data)
        worst = worst_group_accuracy_score(test.target, said, bias_labels=test.bias_labels)
        print(f"{name:9} {100 * (said == test.target).mean():7.1f} {100 * worst:12.1f}")


if __name__ == "__main__":
    main()

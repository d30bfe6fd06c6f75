"""BiasAdv on images: torchvision's ResNet-18, 32x32, batch 128, LfF as the base, on the CPU."""

import by_hand_images
import numpy as np
from torchvision.models import resnet18

from sklearn_debias import BiasAdvClassifier, LfFClassifier

N, C, EPOCHS = 256, by_hand_images.C, 4
rng = np.random.default_rng(0)
X = rng.random((N, 3, 32, 32), dtype=np.float32)
y = np.arange(N) % C


def test_image_biasadv_against_a_loop_by_hand(compare):
    base = LfFClassifier(ema=0.0, class_normalize=False)
    clf = BiasAdvClassifier(
        "resnet18",
        base=base,
        max_epochs=EPOCHS,
        batch_size=by_hand_images.BATCH,
        device="cpu",
        random_state=0,
    )
    compare(
        lambda: clf.fit(X, y),
        lambda: by_hand_images.biasadv(lambda: resnet18(num_classes=C), X, y, EPOCHS),
        rounds=3,
        limit=1.1,
    )

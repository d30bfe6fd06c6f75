"""The whole road, in ten minutes
==============================

Images come with a class, and with a property that nobody thought of. Is there a shortcut, who
suffers from it, which method helps, and how sure is that? Each step is a call or two.
"""

# %%
# The data
# --------
# Digits, low (0-4) or high (5-9). In 95 % of the training images the low ones are orange and the
# high ones blue; in the test images colours are drawn at random. Validation images are biased as
# training images are, which is what most people have.

import matplotlib.pyplot as plt
import torch
from sklearn.utils import Bunch

from sklearn_debias import ERMClassifier, InferredGroupsClassifier, JTTClassifier
from sklearn_debias.comparison import compare
from sklearn_debias.datasets import load_biased_digits
from sklearn_debias.group_inference import GroupInferrer, inferred_groups_report
from sklearn_debias.inspection import GroupAccuracyDisplay, TrainingDisplay, bias_report
from sklearn_debias.metrics import group_report

torch.set_num_threads(1)
digits = load_biased_digits("colour", target="low_high", conflict_ratio=0.05, random_state=0)
train, validation, test = (
    Bunch(**{**part, "data": part.data.reshape(len(part.data), -1)})
    for part in (digits.train, digits.validation, digits.test)
)
_, axes = plt.subplots(1, 10, figsize=(8, 1))
for axis, image in zip(axes, digits.train.data, strict=False):
    axis.imshow(image.transpose(1, 2, 0))
    axis.axis("off")

# %%
# Is there a shortcut?
# --------------------
# The report names simple properties of the images that predict the class by themselves. Whether
# one is a shortcut or the thing itself is for you to know.

report = bias_report(train.target, images=digits.train.data, random_state=0)
report.plot()
report

# %%
# What does plain training make of it?
# ------------------------------------
# The average hides who pays for the shortcut; the groups do not.

plain = ERMClassifier(random_state=0).fit(train.data, train.target)
group_report(test.target, plain.predict(test.data), bias_labels=test.bias_labels)

# %%
# Nobody has labelled the colours: who is in the minority?
# --------------------------------------------------------
# Rows that a regularised model gets wrong where it was not fitted stand for those that the
# shortcut does not explain. Where true labels exist, a report says how good that is.

groups = GroupInferrer("errors", random_state=0).fit(train.data, train.target)
inferred_groups_report(train.target, groups, train.bias_labels)

# %%
# Which method?
# -------------
# One call: equal numbers of configurations, selected on validation rows, fitted again with fresh
# seeds; then the test labels are read once. Intervals hold for other seeds and other test rows.
# Here the worst group of the validation rows selects. Who has no bias labels of these either,
# passes ``scoring=inferred_worst_group_scorer(groups)``.

methods = {
    "ERM": ERMClassifier(),
    "JTT": JTTClassifier(),
    "inferred groups": InferredGroupsClassifier(),
}
rows = {"validation": validation, "test": test}
result = compare(methods, train, **rows, n_configurations=4, n_seeds=3, verbose=0, random_state=0)
result

# %%
# Look at it
# ----------
# Accuracy by group, with exact intervals; a star marks the worst group of each model. The method
# drawn is the best on the validation rows. In the table, on test rows, another may be ahead of it.

models = {"ERM": plain, result.best_method_: result.best_estimator_}
given = {"bias_labels": test.bias_labels}
_ = GroupAccuracyDisplay.from_estimator(models, test.data, test.target, **given)

# %%
# And how a fit went: the loss of each phase, epoch by epoch. Next, the guide asks one question a
# page: :doc:`/guide/index`.

_ = TrainingDisplay.from_estimator(JTTClassifier(random_state=0).fit(train.data, train.target))
plt.show()

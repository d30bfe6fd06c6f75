"""What is worth trying of each method's parameters, as distributions: plain data, with its sources.

Openly internal: users ask an estimator, by its method ``search_space``. A file holds a family, a
function a method. It takes what is known of the rows (`SearchedRows`), and those parameters of the
estimator that decide what else is searched.

Published ranges are cited as

* DomainBed: its registry of hyper-parameters, https://github.com/facebookresearch/DomainBed;
  Gulrajani and Lopez-Paz, "In Search of Lost Domain Generalization", ICLR 2021.
* SubpopBench: its registry, https://github.com/YyzHarry/SubpopBench; Yang et al., "Change is Hard:
  A Closer Look at Subpopulation Shift", ICML 2023.

"Ours" is reasoned or measured here, and published nowhere.
"""

from sklearn_debias.search_spaces._adversarial import (
    adversarial_space,
    adversarial_training_space,
    dhat_space,
    uiat_space,
)
from sklearn_debias.search_spaces._group_robustness import (
    afr_space,
    biasadv_bases,
    biasadv_space,
    class_balanced_retraining_space,
    dfr_space,
    dpe_space,
    erm_space,
    group_dro_space,
    jtt_space,
    lff_space,
    self_space,
    ule_space,
)
from sklearn_debias.search_spaces._inference import (
    class_scaling_space,
    inferrer_names,
    inferrer_space,
    logistic_strengths,
)
from sklearn_debias.search_spaces._long_tail import (
    crt_space,
    isda_space,
    long_tail_space,
    meta_iada_space,
    meta_saug_space,
    meta_weight_net_space,
)
from sklearn_debias.search_spaces._rows import KINDS, SearchedRows, Space
from sklearn_debias.search_spaces._shared import shared_space
from sklearn_debias.search_spaces._shifts import fish_space, invariance_space, mixup_space

__all__ = [
    "KINDS",
    "SearchedRows",
    "Space",
    "adversarial_space",
    "adversarial_training_space",
    "afr_space",
    "biasadv_bases",
    "biasadv_space",
    "class_balanced_retraining_space",
    "class_scaling_space",
    "crt_space",
    "dfr_space",
    "dhat_space",
    "dpe_space",
    "erm_space",
    "fish_space",
    "group_dro_space",
    "inferrer_names",
    "inferrer_space",
    "invariance_space",
    "isda_space",
    "jtt_space",
    "lff_space",
    "logistic_strengths",
    "long_tail_space",
    "meta_iada_space",
    "meta_saug_space",
    "meta_weight_net_space",
    "mixup_space",
    "self_space",
    "shared_space",
    "uiat_space",
    "ule_space",
]

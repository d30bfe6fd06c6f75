"""What `random_state` may be.

Any room that knows NumPy may use this. It is not for users, and may change without notice.
"""

import numpy as np

Rng = np.random.Generator | np.random.RandomState
Seed = int | np.integer | Rng | None

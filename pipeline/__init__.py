"""The laboratory: DVC stages over the `ddpg` library, and what records and compares them."""

import os

from ddpg.numerics import ALONE

# Before any module here loads NumPy, and for the processes that they start.
os.environ.update(ALONE)

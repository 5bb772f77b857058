"""The laboratory: DVC stages over the `ddpg` library, and what records and compares them."""

import os

from ddpg.numerics import STAGE_ENVIRONMENT

# Before any module here loads NumPy, and for the processes that they start.
os.environ.update(STAGE_ENVIRONMENT)
# No result depends on what a shell says of XLA.
os.environ.pop("XLA_FLAGS", None)

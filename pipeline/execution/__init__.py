"""How seeds are trained: in worker processes, stored, with checkpoints, retries and progress."""

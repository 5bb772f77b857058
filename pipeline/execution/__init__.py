"""How seeds are trained: in worker processes, with checkpoints, retries and progress."""

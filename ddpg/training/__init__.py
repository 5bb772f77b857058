"""The loop over episodes, and everything that remembers it: snapshots of the networks, checkpoints on disk."""

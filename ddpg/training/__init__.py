"""Training: the loop over episodes, snapshots of the networks, and checkpoints on disk."""

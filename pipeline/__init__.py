"""The laboratory: DVC stages over the `ddpg` library, and what records and compares them."""

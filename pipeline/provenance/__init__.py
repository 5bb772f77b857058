"""What a result is made of: digests, git, dvc.lock; and `Result`, its files as stages and reports read them."""

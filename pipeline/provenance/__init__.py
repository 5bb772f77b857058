"""What a result is made of, and which revisions hold it: digests, git, dvc.lock, and what DVC and MLflow keep."""

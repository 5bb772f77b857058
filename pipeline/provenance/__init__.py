"""Where results come from: git, dvc.lock, DVC's cache and MLflow, and which revisions hold which result."""

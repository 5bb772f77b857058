"""The results of any revision: its names, what it holds, and its files, from git, DVC's cache and MLflow."""

"""What is asked of an environment, and how it is copied and stepped."""

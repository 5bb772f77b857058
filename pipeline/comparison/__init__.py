"""What differs between two results, in words, figures and pictures."""

# Before NumPy and TensorFlow are loaded: with the variables that a stage has.
import pipeline  # noqa: F401

import os

# Before TensorFlow is loaded: quiet, and with the threads it has in a stage.
from pipeline.runtime import ENVIRONMENT

os.environ.update(ENVIRONMENT)

import os

# Before TensorFlow is loaded: quiet, and with the threads it has in a stage.
from pipeline.stage import ENVIRONMENT

os.environ.update(ENVIRONMENT)

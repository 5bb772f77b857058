"""How the processes of the laboratory use the machine."""

ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "-1",
    "KERAS_BACKEND": "tensorflow",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYGAME_HIDE_SUPPORT_PROMPT": "1",
    "SDL_VIDEODRIVER": "dummy",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
}
"""Environment variables of a stage and its workers, which load NumPy and TensorFlow after they are set.

One thread, no GPU and no oneDNN: for networks this small they cost time, and results would depend on the machine's
threads. The rest is for silence.
"""

"""One update as the papers write it, and what acts and remembers by it: networks, replay, noise, scaling, the policy.

Nothing here knows of episodes, environments or files other than a saved network's.
"""

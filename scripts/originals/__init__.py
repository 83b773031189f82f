"""The methods in the order of work of their authors' code, as contestants for the benchmarks.

Each module transcribes what that code computes, operation after operation, on our weights: ``fuse(state, a, b)`` takes
the state of the network and what ``BaseModel.fuse`` takes, and returns the same. ``FLAGS`` are those with which our
model gives that result; ``run_ours(model, a, b)``, where there is one, is what is compared with in place of its fuse().
Written for this purpose from the layers and formulas; nothing of the authors' code is in it.
"""


class TrainingState(dict):
    """A state with which the networks are in training: batch normalisation by the batch's statistics, and dropout."""

"""Training steps in the order of work of the authors' code, as contestants for ``scripts/bench_train.py``."""

"""What runs in the processes that the benchmarks measure, where it is more than a few lines."""

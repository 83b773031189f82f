"""Command lines: what can be asked for, in which range, with which default."""

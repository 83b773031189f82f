"""The page of ``scripts/app.py``: two images in, the fused one out. docs/app.md tells how it is used.

``methods`` and ``fields`` say what can be chosen, ``uploads`` reads what was dropped, ``fusing`` makes the result by
the path of ``test.py``, ``service`` joins them behind a queue, ``page`` is what is seen, ``server`` serves it.
"""

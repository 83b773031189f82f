"""The example of docs/adding_a_metric.md runs as it is printed."""

from __future__ import annotations

import importlib.util
import re

import numpy as np

from metrics import metric_names, registry, score, select


def test_example_of_the_page(repository, tmp_path, monkeypatch):
    page = (repository / "docs" / "adding_a_metric.md").read_text(encoding="utf-8")
    family, use = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    monkeypatch.setattr(registry, "_registry", dict(registry._registry))  # the example is forgotten after the test
    for name, text in (("contrast", family), ("use", use)):
        path = tmp_path / f"{name}.py"
        path.write_text(text, encoding="utf-8")
        specification = importlib.util.spec_from_file_location(name, path)
        specification.loader.exec_module(importlib.util.module_from_spec(specification))
    assert "MICHELSON" in metric_names()


def test_a_new_file_in_the_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_registry", dict(registry._registry))
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "own_metrics"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "brightness.py").write_text(
        "from metrics import metric\n"
        "@metric(name='MEAN', title='mean', direction='up', low=0, high=255, formula='mean', source='-', variant='-',\n"
        "        needs='fused')\n"
        "def mean(fused):\n"
        "    return fused.mean(dim=(1, 2))\n")
    registry.load_families("own_metrics", [str(folder)])
    image = np.full((4, 4), 12, np.uint8)
    assert score(select("MEAN", has_gt=False), image, image, image) == {"MEAN": 12.0}

"""A protocol gives a benchmark's own numbers: those of its own code on the same images, and those that were printed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from test_golden import read_golden, read_levels, score_triplets

from metrics import find_metric, find_protocol, metric_names, protocol_names, score, score_pictures, select
from metrics.protocols import OWN

# {protocol: (implementation in golden.json, relative tolerance, {FuseLab's column: the implementation's})}; a column
# that is not named has its own name there, and what follows a colon is another implementation.
IMPLEMENTATIONS = {
    "vifb": ("vifb_matlab", 2e-9,
             {"MI_nats": "MI", "PSNR_vifb": "PSNR", "RMSE_vifb": "RMSE", "SSIM_sum": "SSIM"}),
    "mefb": ("mefb_matlab", 2e-9, {"PSNR_vifb": "PSNR", "Q_TE_cvejic_compat": "Q_TE", "Q_Wedge_ssim": "Q_W"}),
    "tang-2022": ("tang_matlab", 2e-12,
                  {"SF_unit": "SF", "SD_uint8": "SD:tang_matlab_uint8", "PSNR_tang": "PSNR", "MSE_unit": "MSE",
                   "MI_tang": "MI", "VIF_uint8": "VIF:tang_matlab_uint8"}),
    "tang-2024": ("tang_matlab", 2e-12,
                  {"SF_mean": "SF", "PSNR_tang": "PSNR", "MSE_unit": "MSE", "MI_tang": "MI", "SSIM_matlab_L1": "SSIM",
                   "Nabf_tang": "Nabf"}),
    "cddfuse": ("cddfuse_py", 2e-7,
                {"SF_mean": "SF", "AG_mean": "AG", "MI_nats": "MI", "PSNR_maxF": "PSNR",
                 "SSIM_cddfuse": "SSIM:cddfuse_py_dr2"}),
    "liu": ("liu_matlab", 2e-12,
            {"Q_TE_compat": "Q_TE", "Q_TE_cvejic_compat": "Q_TE_cvejic", "Q_M_liu": "Q_M", "Q_S_ssim": "Q_S",
             "Q_W_ssim": "Q_W"}),
    "mfif": ("yuliu_matlab", 2e-12, {}),
    "nestfuse": ("nestfuse_matlab", 2e-12, {"MI_2EN": "MI", "SD_nestfuse": "SD", "SSIM_matlab": "SSIM"}),
}  # fmt: skip
TOLERANCES = {"Q_CB": 5e-7, "SSIM_cddfuse": 1e-5}  # windows of black, and of float32 moments without constants
SCALES = {"SF_unit": 255}  # the implementation was run on levels 0..255
# With a black source these give what tells nothing: 2 for VIF, and 1 in flat windows (FuseLab: nan, and the canonical
# value).
BLACK = {("VIF", "cddfuse_py"), ("Q_S_ssim", "liu_matlab"), ("Q_W_ssim", "liu_matlab")}
# Definitions that no protocol has, and where they come from.
OTHERS = [
    ("Q_MI_zoo", "Q_MI", "ivifzoo_py", 1e-8), ("SD_sample", "SD", "eyob_matlab", 1e-12),
    ("DF_MN", "DF_MN", "eyob_matlab", 1e-12), ("SCD_uint8", "SCD", "eyob_matlab", 1e-11),
    ("SCD_uint8", "SCD", "jhou_matlab", 1e-11), ("PSNR_meandb", "PSNR_meandb", "canonical", 1e-12),
    ("SF_mean", "SF_mean", "canonical", 1e-12), ("AG_mean", "AG_mean", "canonical", 1e-12),
    ("MSE_unit", "MSE_unit", "canonical", 1e-12), ("Q_TE_compat", "Q_TE_compat", "canonical", 1e-12),
    ("Q_TE_cvejic_compat", "Q_TE_cvejic_compat", "canonical", 1e-12),
    ("MI", "MI", "ivifzoo_py", 1e-11), ("EN", "EN", "tang_matlab", 1e-12), ("DF", "DF", "eyob_matlab", 1e-12),
]  # fmt: skip


def columns():
    for protocol, (implementation, tolerance, names) in IMPLEMENTATIONS.items():
        for name in find_protocol(protocol).metrics.split(","):
            theirs, _, other = names.get(name, name).partition(":")
            yield pytest.param(name, theirs, other or implementation, TOLERANCES.get(name, tolerance),
                               id=f"{protocol}-{name}")


@pytest.mark.parametrize(("name", "theirs", "implementation", "tolerance"), [*columns(), *OTHERS])
def test_column_has_the_numbers_of_the_implementation_itself(shared, name, theirs, implementation, tolerance):
    compared = 0
    for triplet, scores in score_triplets(shared).items():
        expected = read_golden(shared)["values"][triplet].get(theirs, {}).get(implementation)
        if expected is None or (triplet == "edge_zeroB/edge" and (name, implementation) in BLACK):
            continue
        value = scores[name] * SCALES.get(name, 1)
        assert value == pytest.approx(expected, rel=tolerance, abs=1e-12), triplet
        compared += 1
    assert compared >= 3


@pytest.mark.parametrize("triplet", ["tno05/seafusion", "tno05/densefuse"])
def test_table_that_was_printed_in_2022(shared, triplet):
    golden = read_golden(shared)
    printed = golden["published_matlab"]["Linfeng-Tang/Evaluation-for-Image-Fusion Metric/Metric_TNO.xlsx"]["values"]
    images = read_images(shared, triplet)
    names = IMPLEMENTATIONS["tang-2022"][2]
    scores = score(select(find_protocol("tang-2022").metrics, has_gt=False), *images)
    assert len(scores) == len(printed[triplet]) - 1  # all but Qabf
    for name, value in scores.items():
        expected = printed[triplet][names.get(name, name).partition(":")[0]]
        assert value == pytest.approx(expected, rel=2e-12), name


def read_images(shared, triplet: str) -> list[np.ndarray]:
    pair, method = triplet.split("/")
    return [read_levels(shared, f"{pair}_{label}.png") for label in ("A", "B", f"F_{method}")]


def test_every_protocol_is_compared_and_names_metrics_that_are_there():
    assert set(protocol_names()) == {OWN.name, *IMPLEMENTATIONS}
    for name, (_, _, names) in IMPLEMENTATIONS.items():
        protocol = find_protocol(name)
        chosen = [known.name for known in select(protocol.metrics, has_gt=False)]
        assert chosen == protocol.metrics.split(",") and len(set(chosen)) == len(chosen)
        assert set(names) <= set(chosen) and protocol.verified
    assert find_protocol("VIFB").line().startswith("VIFB's definitions, version 1: 8-bit levels 0..255, mean over")


def test_all_leaves_out_what_is_kept_for_published_tables():
    published = [name for name in metric_names() if find_metric(name).compat]
    assert not set(published) & {known.name for known in select("all", has_gt=True)}
    assert {"MI_2EN", "SD_uint8", "PSNR_tang", "SSIM_sum", "VIF_uint8", "Nabf_tang"} <= set(published)
    assert metric_names()[-len(published):] == published


def test_vifb_averages_the_scores_of_the_colours_and_others_score_the_luma():
    generator = np.random.default_rng(5)
    a, b, fused = (generator.integers(0, 256, (48, 40, 3), dtype=np.uint8) for _ in range(3))
    protocol = find_protocol("vifb")
    assert protocol.channels and not find_protocol("mefb").channels
    chosen = select("EN,SSIM_sum,RMSE_vifb", has_gt=False)
    colours = score_pictures(chosen, {"a": a, "b": b, "fused": fused}, channels=protocol.channels)
    for name, value in colours.items():
        parts = [score(chosen, *(image[..., channel] for image in (a, b, fused)))[name] for channel in range(3)]
        assert value == pytest.approx(math.fsum(parts) / 3, rel=1e-12)


def test_relations_of_published_definitions_to_fuselabs_own():
    generator = np.random.default_rng(6)
    a, b, fused = (generator.integers(0, 256, (64, 50), dtype=np.uint8) for _ in range(3))
    scores = score([find_metric(name) for name in metric_names() if find_metric(name).needs != "gt"], a, b, fused,
                   reasons={})
    for name, expected in {
        "MI_nats": math.log(2) * scores["MI"], "MI_2EN": 2 * scores["EN"], "SF_unit": scores["SF_mean"] / 255,
        "AG_mean": scores["AG"] * 63 * 49 / 3200, "DF_MN": scores["DF"] * 63 * 49 / 3200,
        "MSE_unit": scores["MSE"] / 65025, "PSNR_tang": scores["PSNR"] + 20 * math.log10(255),
        "PSNR_vifb": 20 * math.log10(255 / math.sqrt(scores["RMSE_vifb"])), "SSIM_sum": 2 * scores["SSIM"],
        "SD_sample": scores["SD"] * math.sqrt(3200 / 3199), "SD_nestfuse": scores["SD"] / 255 * math.sqrt(3200),
        "Q_M_liu": 3 * scores["Q_M"], "PSNR_maxF": scores["PSNR"] + 20 * math.log10(fused.max() / 255),
    }.items():  # fmt: skip
        assert scores[name] == pytest.approx(expected, rel=1e-12), name
    assert scores["SD_uint8"] < math.sqrt(255) < scores["SD"]


def test_8_bit_arithmetic_is_that_of_saturating_integers():
    generator = np.random.default_rng(7)
    a, b, fused = (generator.integers(0, 256, (60, 50), dtype=np.uint8) for _ in range(3))

    def minus(first, second):
        return np.clip(first.astype(float) - second, 0, 255)

    scores = score([find_metric("SD_uint8"), find_metric("SCD_uint8")], a, b, fused)
    squares = np.minimum(np.floor(np.clip(fused - fused.mean(), 0, None) + 0.5) ** 2, 255)
    assert scores["SD_uint8"] == pytest.approx(math.sqrt(squares.mean()), rel=1e-12)
    expected = sum(np.corrcoef(minus(fused, other).ravel(), source.ravel())[0, 1] for source, other in ((a, b), (b, a)))
    assert scores["SCD_uint8"] == pytest.approx(expected, rel=1e-10)

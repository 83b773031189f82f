"""Score anybody's fused images against the sources of a data set, and rank the methods.

    python evaluate.py --dataroot datasets/TNO --fused ours=results/PMF_R2GAN/test_latest other=/some/folder

Results go to results/NAME/DATASET_PHASE: index.html (the gallery), leaderboard.html, metrics.csv, metrics.json,
table.md, table.tex, images/<pair>_{A,B,<method>[,GT]}.png.
"""

from __future__ import annotations

from pathlib import Path

from data.pairing import make_safe
from options.evaluate_options import EvaluateOptions
from options.scoring_options import choose_metrics
from util import distributed, report
from util.evaluation import judge_item, open_evaluation
from util.journal import describe_settings, digest_files, digest_pairs
from util.launch import run_script
from util.logger import is_main_process, log
from util.results import ResultsFolder
from util.scoring import Judge, judge_share


def main() -> None:
    opt = EvaluateOptions().parse()
    evaluation = None if distributed.launched() else open_evaluation(opt)
    distributed.start(opt)
    evaluation = evaluation or distributed.on_main_process(lambda: open_evaluation(opt))
    score_methods(opt, evaluation)
    distributed.finish()


def score_methods(opt, evaluation) -> None:
    """Score this process's share of the scenes; rank 0 writes tables and pages."""
    dataset = evaluation.dataset
    protocol, selected = choose_metrics(opt, dataset.has_gt)
    source = Path(opt.dataroot or opt.dir_A)
    part = f"{source.name}_{opt.phase}" if opt.dataroot else "_".join(source.absolute().parts[-3:])
    target = Path(opt.results_dir) / opt.name / make_safe(part)
    with ResultsFolder(target, lambda: describe_evaluation(opt, evaluation), resume=opt.resume) as results:
        judge = Judge(tuple(selected), protocol.channels, results.path)
        left = [number for number, pair in enumerate(dataset.pairs) if pair.name not in results.done]
        share = left[distributed.rank() :: distributed.world_size()]
        rows = judge_share(judge_item, (judge, evaluation), share, results, count=len(evaluation), jobs=opt.jobs)
        if is_main_process():
            report.write_report(
                results,
                rows,
                opt=opt,
                title=f"{opt.name}, {source.name}",
                info={"data set": f"{dataset.title} ({source})"},
                columns=report.list_columns(evaluation.titles(), dataset.has_gt),
                names=[pair.name for pair in dataset.pairs],
                selected=selected,
                protocol=protocol,
                resized=evaluation.resized(),
                left_out=evaluation.left_out,
            )
            log(
                f"{len(evaluation)} pair{'s' if len(evaluation) != 1 else ''}, {len(opt.fused)} "
                f"method{'s' if len(opt.fused) != 1 else ''}"
                + (f", {len(dataset.skipped)} pairs left out" if dataset.skipped else "")
                + f"; leaderboard: {target / 'leaderboard.html'}; "
                f"gallery: {target / 'index.html'}"
            )


def describe_evaluation(opt, evaluation) -> dict:
    """Return what the scores depend on."""
    fused = (path for folder in evaluation.methods.values() for path in folder.files.values())
    return describe_settings(opt, images=digest_pairs(evaluation.dataset.pairs), fused_images=digest_files(fused))


if __name__ == "__main__":
    run_script(main)

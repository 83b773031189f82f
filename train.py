"""Train a fusion method on pairs of images.

    python train.py --dataroot datasets/PMF --model r2gan --name PMF_R2GAN --batch_size 8
    python train.py --continue_train --name PMF_R2GAN                       # after a stop, exactly where it was
    torchrun --nproc_per_node 2 train.py --dataroot ... --name ...          # or --gpu_ids 0,1

Losses, pictures, weights and options go to checkpoints/NAME; web/index.html there shows the run.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import data
import models
from options import saved_options
from options.train_options import TrainOptions
from util import distributed, training, validation
from util.launch import run_script
from util.logger import is_main_process, log
from util.pictures import to_pictures
from util.progress_bar import ProgressBar
from util.visualizer import Visualizer


def main() -> None:
    options = TrainOptions()
    opt = options.parse()
    # What can be refused is refused before torch is loaded; in a group of processes rank 0 looks for all.
    datasets = None if distributed.launched() else validation.open_datasets(opt)
    distributed.start(opt)
    datasets = datasets or distributed.on_main_process(lambda: validation.open_datasets(opt))
    if opt.overwrite:
        training.remove_run(opt.run_dir)
    log(saved_options.describe(opt, options.parser))
    train(opt, options.parser, *datasets)
    distributed.finish()


def train(opt, parser, dataset, val_dataset) -> None:
    """Run the loop of one process; all processes of a group call it with the same options."""
    rank, world_size = distributed.rank(), distributed.world_size()
    training.seed_everything(opt.seed)
    model = models.create_model(opt)
    model.print_networks()
    progress = training.load_state(model, opt) if opt.continue_train else training.Progress(epoch=opt.epoch_count)
    if is_main_process():
        saved_options.write(opt, parser)
    loader = data.create_loader(dataset, opt, train=True, rank=rank, world_size=world_size)
    model.prelude = model.count_prelude(len(loader))
    loader.sampler.prelude = model.prelude * opt.batch_size
    validator = validation.Validator(opt, val_dataset)
    log(training.describe_batches(opt, len(dataset)))
    log(model.schedule.describe())

    resume_step = progress.step if opt.continue_train else None
    last_epoch = opt.n_epochs + opt.n_epochs_decay
    reason = training.reason_to_stop(opt, progress)
    clock = training.Clock()
    with (
        training.locating_failures(opt, progress),
        closing(Visualizer(opt, Path(opt.run_dir), resume_step=resume_step)) as visualizer,
        training.StopSignal() as stop,
        ProgressBar(opt, loader) as bar,
    ):
        while progress.epoch <= last_epoch and not reason:
            loader.sampler.set_position(progress.epoch, progress.consumed // world_size)
            model.start_epoch(progress.epoch, progress.consumed // (world_size * opt.batch_size))
            remaining = len(loader)
            save_due = False
            for batch in loader:
                clock.data_arrived()
                remaining -= 1
                images = len(batch["name"]) * world_size
                training.seed_everything(opt.seed, progress)
                moved = model.train_on(batch, last_of_epoch=remaining == 0)
                progress.advance(images, moved)
                clock.computed(images)
                bar.advance(progress)

                if progress.crossed(opt.print_freq, images):
                    model.check_finite()
                    clock.computed(0)  # the check has waited for what the device still had to do
                    record = training.make_record(progress, model.get_current_losses(), model.schedule.rate(), clock)
                    visualizer.log_losses(record)
                    bar.show(record)
                on_page = progress.crossed(opt.update_html_freq, images)
                if is_main_process() and (on_page or progress.crossed(opt.display_freq, images)):
                    visualizer.show_images(
                        to_pictures(model.get_current_visuals()),
                        epoch=progress.epoch,
                        total_iters=progress.total_iters,
                        step=progress.update,
                        save=on_page,
                    )
                save_due |= progress.crossed(opt.save_latest_freq, images)
                if moved:  # between two updates the state on disk would not be exact
                    reason = training.reason_to_stop(opt, progress, stop)
                    if remaining and (save_due or reason):
                        training.save_state(model, progress, opt)
                        save_due = False
                    if remaining and reason:
                        break
                clock.skip()
            else:
                validator.end_epoch(model, progress, visualizer)
                snapshot_due = progress.epoch % opt.save_epoch_freq == 0
                if snapshot_due and is_main_process():
                    model.save_networks(progress.epoch)
                progress.begin_next_epoch()
                if save_due or snapshot_due or reason or progress.epoch > last_epoch:
                    training.save_state(model, progress, opt)
                clock.skip()
    validation.report_skipped(dataset, val_dataset)
    log(training.closing_message(opt, progress, reason))


if __name__ == "__main__":
    run_script(main)

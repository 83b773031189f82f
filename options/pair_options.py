"""The options of fusing one pair that is in memory already: those of ``test.py`` without a data set."""

from __future__ import annotations

import argparse

import models
from options.option_parser import OptionParser
from options.test_options import TestOptions


class PairOptions(TestOptions):
    """Takes the words that ``test.py`` takes; what names or loads images has no effect."""

    def find_mode(self, parser: OptionParser, first: argparse.Namespace, given: set[str], stored: dict) -> str:
        return "auto"  # there is no folder to recognise

    def finish(self, opt: argparse.Namespace, parser: OptionParser) -> None:
        self.find_run(opt)
        models.find_model(opt.model).check_options(opt)

    def list_choices(self, model: str, stored: dict) -> list[argparse.Action]:
        """Return what a user may want to choose for a method: its own options and, where it counts, the colour rule.

        Args:
            model: the method's name.
            stored: the options that a run of it stored; they become the defaults. {} without a run.
        """
        parser = OptionParser()
        self.add_options(parser)
        # What all methods share describes networks, and a trained network is what it is.
        general = parser.destinations("model")
        method = models.find_model(model)
        method.modify_commandline_options(parser, self.is_train)
        parser.set_defaults(**self.inherited(parser, stored))
        shown = [action for action in parser.group("model")._group_actions if action.dest not in general]
        if method.color_mode == "rgb":
            shown += [action for action in parser.group("model")._group_actions if action.dest == "color"]
        return shown

"""An ArgumentParser with named groups, defaults in its help, and refusals of one sentence."""

from __future__ import annotations

import argparse
import re

from util.errors import UserError, nearest


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Shows each option's default behind its help text."""

    def __init__(self, prog: str):
        super().__init__(prog, max_help_position=32, width=120)

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ""
        shown = action.default not in (None, argparse.SUPPRESS, "", False) and action.option_strings
        return f"{text} (default: %(default)s)" if shown and "default:" not in text else text

    def _get_default_metavar_for_optional(self, action: argparse.Action) -> str:
        name = getattr(action.type, "__name__", "")
        return name if "|" in name else super()._get_default_metavar_for_optional(action)


class OptionParser(argparse.ArgumentParser):
    """The parser that models and datasets add their options to.

    ``group(title)`` gets or makes a group; the options of the group ``model`` describe the networks, are stored with
    a run, and are taken over by ``test.py``.
    """

    def __init__(self, **arguments):
        super().__init__(formatter_class=HelpFormatter, allow_abbrev=False, add_help=False, **arguments)

    def group(self, title: str) -> argparse._ArgumentGroup:
        for group in self._action_groups:
            if group.title == title:
                return group
        return self.add_argument_group(title)

    def destinations(self, title: str) -> set[str]:
        """Return the names (``opt.NAME``) of the options in one group."""
        return {action.dest for action in self.group(title)._group_actions}

    def flags(self) -> list[str]:
        """Return every long flag, aliases included."""
        return [flag for flag in self._option_string_actions if flag.startswith("--")]

    def flag_of(self, destination: str) -> str:
        """Return the flag that sets ``opt.destination``, for sentences that tell how to mend something."""
        for action in self._actions:
            if action.dest == destination and action.option_strings:
                return action.option_strings[0]
        return f"--{destination}"

    def explicit(self, argv: list[str]) -> set[str]:
        """Return the names of the options that ``argv`` gives itself, whatever their defaults are."""
        unset: list = []  # a list, for options that collect words
        namespace = argparse.Namespace(**{action.dest: unset for action in self._actions})
        known, _ = self.parse_known_args(argv, namespace)
        return {name for name, value in vars(known).items() if value is not unset}

    def parse_strictly(self, argv: list[str]) -> argparse.Namespace:
        """Parse ``argv``; a flag that nobody declared is refused with the nearest one that exists."""
        opt, unknown = self.parse_known_args(argv)
        if unknown:
            flag = next((text for text in unknown if text.startswith("-")), unknown[0]).split("=")[0]
            if not flag.startswith("-"):
                raise UserError(f"'{flag}' is not a flag; every option begins with -- (--help shows all)")
            close = nearest(flag, self.flags())
            raise UserError(
                f"unknown flag {flag}" + (f"; the nearest is {close}" if close else "") + " (--help shows all)"
            )
        return opt

    def error(self, message: str):
        """Raise the refusal as a UserError instead of printing the whole usage."""
        match = re.fullmatch(r"argument (--\w+)(?:/\S+)*: (.*)", message, flags=re.DOTALL)
        raise UserError(f"{match[1]}: {match[2]}" if match else message)

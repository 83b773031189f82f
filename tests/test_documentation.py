"""The pages keep their word: links, paths, flags, quoted sentences and tables agree with the code."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

import data
import metrics
import models
from metrics.registry import FAST
from options.evaluate_options import EvaluateOptions
from options.option_parser import OptionParser
from options.test_options import TestOptions
from options.train_options import TrainOptions

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / name for name in ("README.md", "DEVELOPERS.md", "datasets/README.md")]
PAGES += sorted((ROOT / "docs").rglob("*.md"))
ENTRIES = {
    "train.py": TrainOptions,
    "test.py": TestOptions,
    "evaluate.py": EvaluateOptions,
}
SCRIPTS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "scripts").glob("*.py"))
SAME = {"scripts/visdom_server.sh": "scripts/visdom_server.py"}  # the one hands its words to the other
STARTER = "scripts/slurm.sbatch"  # its words are another command
ROOMS = ("data", "docs", "downstream", "metrics", "models", "options", "scripts", "tests", "util", "webapp")

OUR_SCRIPT = re.compile(r"(train|test|evaluate)\.py|scripts/\w+\.(py|sh|sbatch)")

# What pages say of other programs.
FOREIGN_FLAGS = {"--no-build-isolation", "--nproc_per_node", "--node_rank", "--shm-size"}
FOREIGN_SENTENCES = ("pkg_resources", "torchvision::nms")
# What a page asks its reader to write.
READERS_FILES = re.compile(r"NAME|my_|^table\.md$|metrics/contrast\.py|data/(harbour|listed)_dataset\.py")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def split_page(page: Path) -> tuple[str, list[str]]:
    """Return a page's text without its code blocks, and the blocks of shell and of plain text."""
    text = page.read_text("utf-8")
    fenced = re.findall(r"^```(\w*)\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    blocks = [content for language, content in fenced if language != "python"]
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), blocks


def find_code(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", text)


# Links and paths ------------------------------------------------------------------------------------------------------


def find_anchors(page: Path) -> set[str]:
    """Return the anchors that a page's headings get: lower case, blanks as hyphens, punctuation dropped."""
    headings = re.findall(r"^#+ (.+)$", split_page(page)[0], flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", split_page(page)[0]):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = unquote(target).partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists() and ROOT in found.parents, f"{page.name} links to {target}"
        assert not anchor or anchor in find_anchors(found), f"{page.name}: {target} has no such heading"


@each_page
def test_paths_are_there(page):
    text, blocks = split_page(page)
    words = find_code(text) + [word.strip(",;'\"") for block in blocks for word in block.split()]
    in_a_room = rf"(?:{'|'.join(ROOMS)})/[\w./-]+"
    for word in words:
        for path in re.findall(rf"(?:^|(?<=[ =]))({in_a_room}|[a-zA-Z][\w-]*\.(?:py|md|yml))(?=$| )", word):
            if not READERS_FILES.search(path):
                assert (ROOT / path).exists() or (page.parent / path).exists(), f"{page.name} names {path}"


@each_page
def test_no_page_names_a_place_of_one_machine(page):
    places = r"(?<![\w.~-])/(?:home|root|tmp|work|opt|mnt|Users)\b[\w./-]*|\b[A-Z]:\\"
    assert not re.findall(places, page.read_text("utf-8"))


def test_every_page_is_linked_from_the_readme():
    targets = re.findall(r"\]\(([^)#\s]+)", (ROOT / "README.md").read_text("utf-8"))
    missing = {page.relative_to(ROOT).as_posix() for page in PAGES} - {"README.md", *targets}
    assert not missing


def test_variables_are_read_by_a_script():
    readers = [*(ROOT / "scripts").glob("*.*"), *(ROOT / "tests").glob("*.py"), *(ROOT / "metrics").glob("*.py")]
    scripts = "".join(path.read_text("utf-8") for path in readers)
    for page in PAGES:
        for name in set(re.findall(r"FUSELAB_\w+", page.read_text("utf-8"))):
            assert f"{name}:-" in scripts or f'"{name}"' in scripts, f"{page.name} names the variable {name}"


# Commands and flags ---------------------------------------------------------------------------------------------------


def find_commands(text: str) -> list[tuple[str, list[str]]]:
    """Return (script, its words) of each command line of ours in a block of shell, blanks and comments seen to."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        if not re.search(r"(python|bash|torchrun|sbatch) ", line):
            continue
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|")
        lexer.whitespace_split = True
        words = list(lexer)
        cuts = [-1, *(place for place, word in enumerate(words) if set(word) <= set(";&|")), len(words)]
        for first, last in zip(cuts, cuts[1:], strict=False):
            part = words[first + 1 : last]
            for place, word in enumerate(part):
                if OUR_SCRIPT.fullmatch(word) and word != STARTER:
                    found.append((word, part[place + 1 :]))
                    break
    return found


def find_quoted_commands() -> list[tuple[str, str, list[str]]]:
    """Return (where, script, words) of the commands in the pages and in the scripts' own usage."""
    blocks = [(page.name, block) for page in PAGES for block in split_page(page)[1]]
    for name in ("train.py", "test.py", "evaluate.py", *SCRIPTS):
        usage = ast.get_docstring(ast.parse((ROOT / name).read_text("utf-8"))) or ""
        blocks.append((name, "\n".join(line for line in usage.splitlines() if line.startswith("    "))))
    return [(where, *command) for where, block in blocks for command in find_commands(block)]


def drop_open_parts(words: list[str]) -> list[str]:
    """Leave out "..." where it stands for more words; as a flag's value it stays."""
    return [word for n, word in enumerate(words) if word != "..." or (n and words[n - 1].startswith("--"))]


def build_parser(options, words: list[str]) -> OptionParser:
    """Return the parser that an entry script builds for these words."""
    parser = OptionParser()
    options().add_options(parser)
    first, _ = parser.parse_known_args(words)
    if hasattr(first, "model"):
        models.find_model(first.model).modify_commandline_options(parser, options is TrainOptions)
        first, _ = parser.parse_known_args(words)
    if first.dataset_mode != "auto":
        data.find_dataset(first.dataset_mode).modify_commandline_options(parser, is_train=options is TrainOptions)
    return parser


@cache
def flags_of_script(name: str) -> set[str]:
    command = [sys.executable, str(ROOT / name), "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(re.findall(r"(?<![\w-])--[\w-]+", done.stdout))


def test_the_commands_are_found():
    scripts = [SAME.get(script, script) for _, script, _ in find_quoted_commands()]
    assert {"train.py", "test.py", "scripts/demo.sh", "scripts/test.sh", *SCRIPTS} <= set(scripts)
    assert scripts.count("train.py") > 10


@pytest.mark.parametrize(("where", "script", "words"), find_quoted_commands())
def test_quoted_command_is_one_that_the_script_takes(where, script, words):
    words = drop_open_parts(words)
    if script in ENTRIES:
        build_parser(ENTRIES[script], words).parse_strictly(words)
        return
    name = SAME.get(script, script)
    given = {word.split("=")[0] for word in words if word.startswith("--")}
    if name.endswith(".py"):
        assert given <= flags_of_script(name), f"{where}: {script} has no {given - flags_of_script(name)}"
    else:
        assert not given, f"{where}: {script} takes no flags"


def test_every_flag_that_a_page_names_exists():
    known = set(FOREIGN_FLAGS)
    for options in (TrainOptions, TestOptions):
        for model in models.model_names():
            known.update(build_parser(options, ["--model", model]).flags())
    known.update(build_parser(EvaluateOptions, []).flags())
    for script in SCRIPTS:
        known |= flags_of_script(script)
    for page in PAGES:
        for code in find_code(split_page(page)[0]):
            named = set(re.findall(r"(?<![\w-])--[\w-]+", code))
            assert named <= known or code.startswith("train.py: error:"), f"{page.name} names {named - known}"


# Sentences ------------------------------------------------------------------------------------------------------------


@cache
def find_strings() -> str:
    """Return every string of the code, formatted values as NUL, strings kept apart by newlines."""
    strings = [path.read_text("utf-8") for path in (ROOT / "scripts").glob("*.sh")]
    files = [path for room in ROOMS if room not in ("docs", "tests") for path in (ROOT / room).rglob("*.py")]
    for path in files:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "\0" for part in node.values]
                strings.append("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                strings.append(node.value)
    return "\n".join(strings)


def find_quoted_sentences(page: Path) -> list[str]:
    """Return what a page quotes as said by a program: code of several words, in a row's first cell or in bold."""
    text = split_page(page)[0]
    cells = re.findall(r"^\| ([^|\n]+) \|", text, flags=re.MULTILINE) + re.findall(r"\*\*([^*\n]+)\*\*", text)
    quoted = [code for cell in cells for code in find_code(cell)]
    return [code for code in quoted if " " in code and not code.startswith(("-", "python", "bash"))]


def test_quoted_sentences_are_those_of_the_code():
    pages = [ROOT / "docs" / name for name in ("troubleshooting.md", "watching.md")]
    quoted = [sentence for page in pages for sentence in find_quoted_sentences(page)]
    assert len(quoted) > 15
    for sentence in quoted:
        if any(foreign in sentence for foreign in FOREIGN_SENTENCES):
            continue
        for part in sentence.removeprefix("warning: ").split("..."):
            assert part.strip(" ;:(),") in find_strings(), f"no code says '{sentence}'"


# Tables ---------------------------------------------------------------------------------------------------------------


def read_table(heading: str) -> dict[str, list[str]]:
    """Return the rows of the table below a heading of the README, by the code in their first cell; no header."""
    section = (ROOT / "README.md").read_text("utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    rows = [[cell.strip() for cell in cells] for cells in lines]
    return {cells[0].strip("`"): cells[1:] for cells in rows if not cells[0].startswith("`--")}


def test_methods_of_the_readme():
    assert set(read_table("Methods")) == set(models.model_names())


def test_datasets_of_the_readme():
    table = read_table("Datasets")
    assert set(table) == set(data.dataset_names())
    for name, cells in table.items():
        assert cells[0] == data.find_dataset(name).task, name


def test_metrics_of_the_readme():
    table = read_table("Metrics")
    assert list(table) == list(FAST)
    words = {"fused": "the fused image", "sources": "both sources", "gt": "a ground truth"}
    for name, cells in table.items():
        metric = metrics.find_metric(name)
        assert cells[0] == metrics.ARROWS[metric.direction] and cells[-1] == words[metric.needs], name


def test_every_metric_is_explained():
    page = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    explained = set(re.findall(r"^\| `(\w+)`", page, flags=re.MULTILINE))
    assert set(metrics.metric_names(compat=False)) <= explained <= set(metrics.metric_names())
    assert all(f"`{name}`" in page for name in metrics.protocol_names())

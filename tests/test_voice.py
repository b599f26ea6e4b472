"""The voice of all text: phrases that read as if translated may not come back.

One table says what to write instead. It is searched in pages and examples, and in the docstrings,
comments and messages of the package.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]

#: Pages are read as a whole; of code, comments and strings.
PAGES = ("README.md", "CONTRIBUTING.md", "docs/**/*.md", "docs/**/*.rst", "examples/**/*.md")
CODE = ("sknn_scratch/**/*.py", "examples/**/*.py", "docs/*.py")

#: The page of decisions keeps its metaphors.
EXEMPT = {"docs/design.md"}


class Phrase(NamedTuple):
    """A phrase to avoid, as a regular expression in which one space is any white space."""

    pattern: str
    instead: str
    sample: str
    where: str = ""  #: the folder that the phrase is searched in

    def places(self, text: str) -> Iterator[re.Match[str]]:
        """Yield the matches, in upper or lower case."""
        return re.finditer(self.pattern, text, re.IGNORECASE)


# Pattern, what to write instead, sample; and the folder, if it is not searched everywhere.
TABLE = [
    # Code returns, raises, warns, ignores, requires: the verb says what happens.
    (r"\blook(s|ed|ing)? on(?! (the|a)\b)", "'runs during' or 'observes'", "it looks on while"),
    (r"\bnot listen\b|\blistens\b", "'ignores' or 'uses'", "which does not listen to it"),
    (r"\bsa(y|ys|id|ying) nothing\b", "what happens", "It says nothing"),
    (r"\bwants\b", "'requires' or 'expects'", "`resume` wants the same data"),
    (r"\basks? for an end\b", "'stops training'", "It may ask for an end"),
    (r"\bdecides? nothing\b", "'is recorded'", "it decides nothing"),
    (r"\bgo(es)? by\b", "'is set by' or 'uses'", "None goes by ``effort``"),
    (r"\bvouched\b", "'trusted'", "vouched for"),
    (r"\btells? (whether|where)\b", "'return True if' or 'check'", "Tell whether it is one"),
    (r"\bhand(s|ed) |\bhand (an?|it|over|the)\b", "'pass'", "a dict that it is handed to"),
    (r"\b(no|every)body\b|\bwho(m)?ever\b", "the noun", "For whoever carries on"),
    # The term of the field, one for each concept.
    (r"\bstep sizes?\b", "'learning rate'", "the step size"),
    (r"\bmemory of (the|an) optimizer|optimizer's memory\b", "'state'", "the optimizer's memory"),
    (r"\b(first|beginning) weights\b", "'initial weights'", "the same first weights"),
    (r"\bfactors? on (the )?inputs?\b", "'learned feature scales'", "no factors on inputs"),
    (r"\bwild\b", "'outliers'", "with wild ones"),
    (r"\b(times|strings|categories) and gaps\b", "'missing values'", "times and gaps"),
    (r"\bseveral labels\b", "'multilabel'", "several labels at once"),
    (r"\b(unseen|very many) levels\b|\blevels that were not\b", "'categories'", "unseen levels"),
    (r"\btoo sure\b", "'overconfident'", "from being too sure"),
    (r"\bby heart\b", "'memorised'", "learned by heart"),
    (r"\b(sinks?|sank|sinking)\b", "'decreases'", "still sank"),
    (r"\b(no|without|a) gain\b|\bgains no\b", "'improvement'", "epochs without a gain of"),
    (r"\bpublish(es|ed|ing)\b|\b(to|and) publish\b", "'set' or 'store'", "what is published"),
    (r"\bover (scikit-learn|PyTorch)\b", "'speedup vs scikit-learn'", "4.6 over scikit-learn"),
    (r"(?<!up )to rounding|to rounding(?! error)", "'up to rounding error'", "same to rounding"),
    # Words that an English speaker would not choose.
    (r"\banew\b", "'again'", "fit anew"),
    (r"\bin the course of\b", "'during'", "in the course of training"),
    (r"\bg(o|oes|oing) on\b", "'continue' or 'resume'", "where training goes on"),
    (r"\bbeside\b", "'alongside', 'next to' or 'compared with'", "a look beside"),
    (r"\bsame rights\b|\bprivilege\b", "'work everywhere'", "have the same rights"),
    (r"\btakes? turns\b|\bby turns\b", "'interleaved' or 'alternately'", "everybody takes turns"),
    (r"\bbad judge\b", "'leaks information'", "is a bad judge"),
    (r"\bas ever\b", "'as usual'", "checkpoints work as ever"),
    (r"\b(tables?|columns|data) as (it is|they are)\b", "'mixed-type data'", "tables as they are"),
    # The noun is missing.
    (r"\bwhat there (is|are)\b|(?<!so )(?<!such )that there (is|are)\b", "a noun", "what there is"),
    (r"# (by what|what (it buys|was aimed))\b", "the task or the API", "## What it buys"),
    (r"(?-i:\bWhat\b)(?![^.!]*\?)", "a noun phrase", "What must hold.", "sknn_scratch/"),
]  # fmt: skip
PHRASES = [Phrase(*row) for row in TABLE]


# ------------------------------------------------------------------------------- what is read
class Passage:
    """Text that belongs together, with one space between words, and its lines in the file."""

    def __init__(self, line: int, text: str) -> None:
        numbered = enumerate(text.split("\n"), line)
        words = [(word, number) for number, part in numbered for word in part.split()]
        self.text = " ".join(word for word, _ in words)
        self._lines = [number for _, number in words]

    def line(self, position: int) -> int:
        """Return the line of a position in the text."""
        return self._lines[self.text.count(" ", 0, position)]


def passages(file: Path) -> Iterator[Passage]:
    """Yield a page as a whole, and of code each block of comments and each string."""
    source = file.read_text(encoding="utf-8")
    if file.suffix == ".py":
        yield from comments(source)
        yield from strings(source)
    else:
        yield Passage(1, source)


def comments(source: str) -> Iterator[Passage]:
    """Yield comments; those on consecutive lines are one."""
    block: list[str] = []
    start = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        if token.start[0] != start + len(block):
            yield Passage(start, "\n".join(block))
            block, start = [], token.start[0]
        block.append(token.string.lstrip("#:"))
    yield Passage(start, "\n".join(block))


def strings(source: str) -> Iterator[Passage]:
    """Yield docstrings and other strings; "{}" stands for the values in an f-string."""
    nodes = list(ast.walk(ast.parse(source)))
    inner = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
            yield Passage(node.lineno, node.value)
        elif isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
            yield Passage(node.lineno, "".join(map(str, parts)))


def faults(file: Path, root: Path = ROOT) -> list[str]:
    """Return "file:line: write ..., not ..." for each phrase to avoid."""
    name = file.relative_to(root).as_posix()
    return [
        f"{name}:{passage.line(match.start())}: write {phrase.instead}, not {match[0]!r}"
        for passage in passages(file)
        for phrase in PHRASES
        if name.startswith(phrase.where)
        for match in phrase.places(passage.text)
    ]


FILES = {
    file.relative_to(ROOT).as_posix(): file
    for pattern in (*PAGES, *CODE)
    for file in sorted(ROOT.glob(pattern))
    if "_build" not in file.parts and file.relative_to(ROOT).as_posix() not in EXEMPT
}


# -------------------------------------------------------------------------------------- tests
def test_there_are_files():
    assert {"README.md", "docs/index.md", "sknn_scratch/contracts.py"} <= FILES.keys()


@pytest.mark.parametrize("name", sorted(FILES))
def test_no_phrase_to_avoid(name):
    found = faults(FILES[name])
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize("phrase", PHRASES, ids=lambda phrase: phrase.sample)
def test_every_phrase_finds_its_sample(phrase):
    assert list(phrase.places(phrase.sample))


def write(folder, name, text):
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


CODE_SAMPLE = '''"""It looks
on while a network trains."""

def f(x):  # fitted anew
    """Return x in the course
    of training.

    What must hold."""
    # None goes
    # by effort.
    raise ValueError(f"{x} is of a kind that says "
                     "nothing")
'''


def test_every_kind_of_text_is_read(tmp_path):
    found = faults(write(tmp_path, "sknn_scratch/a.py", CODE_SAMPLE), tmp_path)
    lines = {int(text.split(":")[1]): text for text in found}
    assert sorted(lines) == [1, 4, 5, 8, 9, 11]
    assert lines[5] == "sknn_scratch/a.py:5: write 'during', not 'in the course of'"
    assert lines[9] == "sknn_scratch/a.py:9: write 'is set by' or 'uses', not 'goes by'"


def test_pages_are_read_across_lines(tmp_path):
    page = write(tmp_path, "docs/a.md", "# A page\n\nWhat must hold. It goes\non here.\n")
    assert faults(page, tmp_path) == ["docs/a.md:3: write 'continue' or 'resume', not 'goes on'"]


@pytest.mark.parametrize(
    "text",
    [
        "equal up to rounding error",
        "looks on the left side",
        "so that there are two rows, such that there is one",
        "handwritten digits, computed by hand",
        "quantile levels",
        "What is a callback?",
        "background",
    ],
)
def test_plain_text_passes(tmp_path, text):
    assert not faults(write(tmp_path, "sknn_scratch/a.py", f'"""{text}"""\n'), tmp_path)

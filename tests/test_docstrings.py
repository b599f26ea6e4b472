"""Every public name has a docstring that names every parameter, and a place in the reference."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

import sknn_scratch
from sknn_scratch import contracts

validate = pytest.importorskip("numpydoc.validate").validate

ROOT = Path(__file__).parents[1]
MODULES = ["", ".components", ".contracts", ".inspection", ".preprocessing", ".testing"]

#: Faults that numpydoc must not find: no docstring; parameters that are missing, unknown, out of
#: order or not described; results that are not described; a summary that is missing, longer than a
#: line, no sentence, or does not begin with an infinitive verb.
FAULTS = {"GL08", "PR01", "PR02", "PR03", "PR07", "PR09", "RT03", "RT05"}
FAULTS |= {"SS01", "SS02", "SS03", "SS04", "SS05", "SS06"}


def public(module):
    """Return the public names of a module."""
    listed = getattr(module, "__all__", None)
    if listed is None:
        members = vars(module).items()
        listed = [n for n, o in members if getattr(o, "__module__", "") == module.__name__]
    return [name for name in listed if not name.startswith("_")]


def is_ours(obj):
    """Tell whether a function, class or property is of this package."""
    obj = obj.fget if isinstance(obj, property) else inspect.unwrap(getattr(obj, "__func__", obj))
    return str(getattr(obj, "__module__", "")).startswith("sknn_scratch")


def contract_of(cls, name):
    """Return the class of contracts.py that says what a method does, if ``cls`` only fulfils it."""
    bases = [base for base in cls.__mro__[1:] if base.__module__ == contracts.__name__]
    return next((base for base in bases if name in vars(base)), None)


def members(cls):
    """Yield the names of the public methods and properties to document at ``cls``."""
    for name, member in inspect.getmembers(cls):
        is_documented_here = inspect.isroutine(member) or isinstance(member, property)
        if name.startswith("_") or not is_documented_here or not is_ours(member):
            continue
        if contract_of(cls, name) is None:
            yield name


def documented():
    """Yield the full names of all that needs a docstring."""
    for suffix in MODULES:
        module = importlib.import_module(f"sknn_scratch{suffix}")
        for name in public(module):
            obj = getattr(module, name)
            if inspect.isclass(obj) or inspect.isfunction(obj):
                yield f"{module.__name__}.{name}"
            if inspect.isclass(obj) and is_ours(obj):
                yield from (f"{module.__name__}.{name}.{part}" for part in members(obj))


def faults(name):
    """Return what numpydoc finds; the attributes of a dataclass count as its parameters."""
    found = validate(name)
    obj = importlib.import_module("numpydoc.validate").Validator._load_obj(name)
    listed = set(re.findall(r"^(\w+(?:, \w+)*) :", inspect.getdoc(obj) or "", re.MULTILINE))
    attributes = {part for line in listed for part in line.split(", ")}
    for code, message in found["errors"]:
        missing = set(re.findall(r"'\**(\w+)'", message)) if code == "PR01" else {""}
        if code in FAULTS and not (inspect.isclass(obj) and missing <= attributes):
            yield f"{name}: {message}"


def test_every_public_name_is_documented():
    names = list(documented())
    assert len(names) > 150  # the search itself works
    assert not [fault for name in names for fault in faults(name)]


def undocumented(first, second):
    """Have a docstring, and name one parameter.

    Parameters
    ----------
    first : int
        The first.
    """


def silent(first):
    pass  # no docstring on purpose


def third_person():
    """Returns nothing."""


def fragment():
    """Return nothing"""


def two_lines():
    """Return
    nothing.
    """


def vague(first):
    """Have a parameter, and do not describe it.

    Parameters
    ----------
    first : int
    """


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (undocumented, "second"),
        (silent, "docstring"),
        (third_person, "infinitive"),
        (fragment, "period"),
        (two_lines, "single line"),
        (vague, "no description"),
    ],
)
def test_what_is_missing_is_found(function, message, monkeypatch):
    monkeypatch.setattr(sknn_scratch, function.__name__, function, raising=False)
    assert message in "".join(faults(f"sknn_scratch.{function.__name__}"))


def test_every_public_name_is_in_the_reference():
    pages = (ROOT / "docs" / "api").glob("*.rst")
    shown = set(re.findall(r"^\.\. auto\w+:: (\w+)", "\n".join(map(Path.read_text, pages)), re.M))
    names = [n for m in MODULES for n in public(importlib.import_module(f"sknn_scratch{m}"))]
    aliases = {"Array", "State"}
    assert not [n for n in names if n not in shown | aliases]

"""What a wheel and a source distribution contain, and that versions agree."""

import re
import runpy
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import sknn_scratch

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    """Return the names in a wheel and in a source distribution, and the wheel's metadata."""
    wheel = pytest.importorskip("hatchling.builders.wheel").WheelBuilder
    sdist = pytest.importorskip("hatchling.builders.sdist").SdistBuilder
    folder = str(tmp_path_factory.mktemp("dist"))
    (built_wheel,) = wheel(str(ROOT)).build(directory=folder, versions=["standard"])
    (built_sdist,) = sdist(str(ROOT)).build(directory=folder, versions=["standard"])
    with zipfile.ZipFile(built_wheel) as archive:
        in_wheel = archive.namelist()
        (metadata,) = (name for name in in_wheel if name.endswith("/METADATA"))
        text = archive.read(metadata).decode()
    with tarfile.open(built_sdist) as archive:
        in_sdist = [name.partition("/")[2] for name in archive.getnames()]
    return in_wheel, in_sdist, text


def test_the_wheel_is_the_package_and_nothing_else(distributions):
    names, _, _ = distributions
    modules = {str(file.relative_to(ROOT)) for file in (ROOT / "sknn_scratch").rglob("*.py")}
    packaged = {name for name in names if ".dist-info/" not in name}
    assert packaged == modules | {"sknn_scratch/py.typed"}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_source_distribution_can_be_tested_and_documented(distributions):
    _, names, _ = distributions
    wanted = {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "CITATION.cff",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "campaign/__main__.py",
        "sknn_scratch/py.typed",
        "tests/test_packaging.py",
        "docs/conf.py",
        "docs/equations.md",
        "examples/quickstart.py",
        "examples/gallery/plot_quantiles.py",
    }
    assert wanted <= set(names)


def test_nothing_that_is_built_or_measured_is_in_the_source_distribution(distributions):
    _, names, _ = distributions
    folders = r"(^|/)(_build|images/gallery|__pycache__|dist)/"
    built = re.compile(rf"{folders}|^docs/gallery/|\.(pyc|npz|ipynb)$")
    assert not [name for name in names if built.search(name)]


def test_metadata(distributions):
    _, _, text = distributions
    assert f"\nVersion: {sknn_scratch.__version__}\n" in text
    assert "\nLicense-Expression: BSD-3-Clause\n" in text
    assert "\nRequires-Python: >=3.11\n" in text


def test_the_oldest_versions_of_extras():
    script = ROOT / ".ci" / "oldest.py"
    if not script.exists():
        pytest.skip("is in the repository only")
    oldest = runpy.run_path(str(script))["oldest"]
    found = oldest(["plot", "distributed"])
    assert {"numpy==2.2.*", "matplotlib==3.10.*", "dask==2025.1.*"} <= set(found)
    for extra in ("all", "docs"):
        with pytest.raises(ValueError, match=r"must have a lower bound. Got 'sknn-scratch\["):
            oldest([extra])


def extras():
    """The requirements of each extra, by its name."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def test_what_is_held_back_stands_alone():
    """An upper bound is one for everybody who installs the extra, so few extras have any."""
    held = {name for name, wanted in extras().items() if any("<" in one for one in wanted)}
    assert held == {"dask-ml"}
    dask = {"dask", "distributed"}
    found = {re.match(r"[\w-]+", one)[0]: one for one in extras()["distributed"]}
    assert found.keys() == dask
    assert all(re.search(r">=[\d.]+$", one) for one in found.values())


def test_all_is_every_extra_that_can_be_installed_together():
    (reference,) = (one for one in extras()["all"] if one.startswith("sknn-scratch["))
    named = set(re.search(r"\[(.*)\]", reference)[1].split(","))
    assert named == extras().keys() - {"all", "bench", "dask-ml", "docs", "lint"}


def test_extras_that_messages_and_pages_name_exist():
    files = [*ROOT.glob("sknn_scratch/**/*.py"), *ROOT.glob("docs/*.md"), ROOT / "README.md"]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    named = set(re.findall(r"pip install '?\"?(?:\.|sknn-scratch)\[([\w,-]+)\]", text))
    assert {"fast", "distributed"} <= named
    assert set(",".join(named).split(",")) <= extras().keys()


def test_citation_and_changelog_name_the_version():
    version = sknn_scratch.__version__
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {version}\n" in citation
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first = re.search(r"^## (\S+)", changelog, re.MULTILINE)[1]
    assert first == version

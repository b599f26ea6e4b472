"""What a wheel and a source distribution contain, and that versions agree."""

import re
import runpy
import tarfile
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


def test_citation_and_changelog_name_the_version():
    version = sknn_scratch.__version__
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {version}\n" in citation
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first = re.search(r"^## (\S+)", changelog, re.MULTILINE)[1]
    assert first == version

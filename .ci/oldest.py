"""Print constraints for pip: the oldest minor versions that pyproject.toml allows.

    python .ci/oldest.py test plot > constraints.txt

Of the dependencies, and of the extras that are named.
"""

import re
import sys
import tomllib
from pathlib import Path


def oldest(extras: list[str]) -> list[str]:
    """Return a constraint such as ``numpy==2.2.*`` for each requirement.

    Raises ValueError for one without a lower bound, such as an extra that refers to others.
    """
    path = Path(__file__).parents[1] / "pyproject.toml"
    project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    required = list(project["dependencies"])
    for extra in extras:
        required += project["optional-dependencies"][extra]
    return [_constraint(each) for each in required]


def _constraint(requirement: str) -> str:
    bound = re.match(r"([\w-]+)(?:\[.*\])?[>=]=(\d+(?:\.\d+)?)", requirement)
    if bound is None:
        raise ValueError(
            f"Each requirement of the extras must have a lower bound. Got {requirement!r}: name "
            "the extras that it stands for."
        )
    return f"{bound[1]}=={bound[2]}.*"


if __name__ == "__main__":
    print("\n".join(oldest(sys.argv[1:])))

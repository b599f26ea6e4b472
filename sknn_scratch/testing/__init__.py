"""Checks that a component satisfies its contract, with or without pytest.

from sknn_scratch.testing import check_component
check_component(MyActivation(beta=2.0))
"""

from sknn_scratch.testing.checks import (
    Check,
    check_component,
    checks,
    parametrize_with_component_checks,
)

__all__ = ["Check", "check_component", "checks", "parametrize_with_component_checks"]

"""All that ordersearch asks of what this package adds."""

import pytest

from ordersearch.testing import Check, plugin_checks


@pytest.mark.parametrize("check", plugin_checks("ordersearch-example"), ids=str)
def test_plugin(check: Check) -> None:
    check()

"""Checks for those who write a plugin: that what it adds works wherever what is built in does.

Each check is a test without arguments that raises an ``AssertionError`` with what does not hold, or the error that its
users would get. With pytest, in the package's own tests::

    import pytest
    from ordersearch.testing import plugin_checks

    @pytest.mark.parametrize("check", plugin_checks("my-package"), ids=str)
    def test_plugin(check):
        check()
"""

from ordersearch.testing.check import Check
from ordersearch.testing.datasets import dataset_checks
from ordersearch.testing.networks import network_checks
from ordersearch.testing.ops import op_checks
from ordersearch.testing.plugins import plugin_checks

__all__ = ["Check", "dataset_checks", "network_checks", "op_checks", "plugin_checks"]

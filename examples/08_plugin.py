"""A plugin: a package with an activation, a network and a data set, which ordersearch finds once it is installed.

The package is in ``examples/plugin``. Here pip installs it into a folder of its own, which is gone afterwards; for a
package of yours, ``pip install -e .`` does. ``docs/plugins.md`` says more.
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

PACKAGE = Path(__file__).with_name("plugin")
COMMANDS = (
    ["explain", "conv > batch_norm > squared_relu > max_pool", "conv > batch_norm > max_pool > squared_relu"],
    ["stripes", "--network", "two_blocks", "--space", str(PACKAGE / "space.yaml"), "--trials", "6", "--confirm", "off"],
)


def install(folder: str) -> None:
    # Where the package that builds it is there already, pip need not fetch it.
    offline = ["--no-build-isolation", "--no-index"] if find_spec("hatchling") else []
    words = ["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target", folder, *offline]
    subprocess.run([sys.executable, "-m", "pip", *words, str(PACKAGE)], check=True)


def run(folder: str, *words: str) -> None:
    print("$ python -m ordersearch", *words, flush=True)
    paths = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": paths}
    subprocess.run([sys.executable, "-m", "ordersearch", *words], cwd=folder, env=environment, check=True)


def main() -> None:
    with TemporaryDirectory() as folder:
        install(folder)
        for words in COMMANDS:
            run(folder, *words)


if __name__ == "__main__":
    main()

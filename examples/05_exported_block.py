"""Take a winner home: its blocks file becomes source that needs torch alone, which trains in a network of your own.

The source is what ``python -m ordersearch export blocks.yaml --to torch`` prints.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from ordersearch.export import export_blocks, read_blocks

BLOCKS = Path(__file__).with_name("blocks.yaml")

TRAINING = """
import sys
import torch
from sklearn.datasets import load_digits
from torch import nn

from exported import ConvBlock

torch.manual_seed(0)
digits = load_digits()
x, y = torch.tensor(digits.images[:, None] / 16).float(), torch.tensor(digits.target)
model = nn.Sequential(ConvBlock(1, 16), ConvBlock(16, 32), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
for step in range(60):
    rows = torch.randint(1400, (64,))
    loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
accuracy = (model.eval()(x[1400:]).argmax(1) == y[1400:]).float().mean()
print(f"accuracy {accuracy:.3f}; ordersearch was imported: {'ordersearch' in sys.modules}")
"""


def main() -> None:
    file = read_blocks(BLOCKS)
    source = export_blocks(file.blocks(), "torch", dims=file.dims, evidence=[file.verdict])
    print(source)
    with TemporaryDirectory() as folder:
        Path(folder, "exported.py").write_text(source, encoding="utf-8")
        subprocess.run([sys.executable, "-c", TRAINING], cwd=folder, check=True)


if __name__ == "__main__":
    main()

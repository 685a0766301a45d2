"""Take a winner to Keras 3, on any backend: `pip install keras`, then the source of its block is a function to call."""

import os
from pathlib import Path

# Keras takes the backend that this names, and torch is here in any case.
os.environ.setdefault("KERAS_BACKEND", "torch")

import keras

from ordersearch.export import export_blocks, read_blocks

BLOCKS = Path(__file__).with_name("blocks.yaml")


def main() -> None:
    file = read_blocks(BLOCKS)
    source = export_blocks(file.blocks(), "keras", dims=file.dims, evidence=[file.verdict])
    print(source)

    # Here it is run from memory; a file of yours holds it: from blocks import conv_block.
    blocks = {}
    exec(source, blocks)

    images = keras.Input((32, 32, 3))
    x = blocks["conv_block"](images, 32)
    x = blocks["conv_block"](x, 64)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(images, keras.layers.Dense(10)(x))
    model.compile("adamw", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.summary()


if __name__ == "__main__":
    main()

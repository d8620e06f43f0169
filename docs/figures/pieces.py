"""The thumbnail of the example with CLIP: `python docs/figures/pieces.py`.

It has pieces of china.jpg by danielbuechele and flower.jpg, both of scikit-learn, CC BY
2.0.
"""

import numpy as np
from drawing import HERE
from PIL import Image
from sklearn.datasets import load_sample_images

SIDE, GAP, COLUMNS, ROWS = 64, 4, 6, 4


def main() -> None:
    """Paste pieces of both photographs side by side, in random order."""
    generator = np.random.default_rng(1)
    step = SIDE + GAP
    mosaic = Image.new("RGB", (COLUMNS * step - GAP, ROWS * step - GAP), "white")
    for place in range(COLUMNS * ROWS):
        photograph = load_sample_images().images[generator.integers(2)]
        row, column = generator.integers(0, (6, 10)) * SIDE
        piece = Image.fromarray(photograph[row : row + SIDE, column : column + SIDE])
        mosaic.paste(piece, (place % COLUMNS * step, place // COLUMNS * step))
    mosaic.quantize(256).save(HERE / "pieces.png", optimize=True)


if __name__ == "__main__":
    main()

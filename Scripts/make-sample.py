#!/usr/bin/env python3
"""Renders the sample picture under Examples/: a page of text, sharp and blurred.

Needed only to make the files anew: Pillow, numpy and the DejaVu fonts (fonts-dejavu-core).
usage: Scripts/make-sample.py [OUTPUT_FOLDER]
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 400, 304  # multiples of 8, so that the network sees the page as it is
FONTS = Path("/usr/share/fonts/truetype/dejavu")
PAPER, INK = (250, 248, 242), (28, 27, 34)
RADIUS = 1.9  # of the defocus disk, in pixels
NOISE = 0.5 / 255
SEED = 7

TITLE = "Notes on a blurred page"
BODY = """\
A lens that is slightly out of focus turns every
point of the page into a small disk. Neighbouring
strokes run together: an e fills up, rn looks like
m, and thin lines fade to grey.

The blur is the same all over the picture, so most
of what was written is still there. A network that
has seen many such pages learns to undo it."""
TABLE = [("aperture", "blur", "readable"), ("f/8", "0.6 px", "yes"), ("f/2", "1.9 px", "barely")]


def page() -> Image.Image:
    """The sharp page, drawn at four times its size and reduced."""
    scale = 4
    image = Image.new("RGB", (WIDTH * scale, HEIGHT * scale), PAPER)
    draw = ImageDraw.Draw(image)

    def text(x, y, words, name, size, fill=INK):
        font = ImageFont.truetype(str(FONTS / f"{name}.ttf"), size * scale)
        draw.multiline_text((x * scale, y * scale), words, font=font, fill=fill, spacing=4 * scale)

    text(20, 14, TITLE, "DejaVuSerif-Bold", 18, (120, 28, 32))
    draw.line([20 * scale, 42 * scale, 380 * scale, 42 * scale], fill=INK, width=scale)
    text(20, 52, BODY, "DejaVuSerif", 13)
    for row, cells in enumerate(TABLE):
        for column, cell in enumerate(cells):
            name = "DejaVuSans-Bold" if row == 0 else "DejaVuSans"
            text(20 + 84 * column, 234 + 20 * row, cell, name, 12, (22, 60, 120))
    for x in range(300, 380, 6):  # a resolution fan: where it greys out, detail is lost
        draw.line([340 * scale, 292 * scale, x * scale, 236 * scale], fill=INK, width=scale)
    return image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def disk(radius: float) -> np.ndarray:
    """A defocus kernel: the share of every pixel that lies within `radius`, summing to one."""
    reach, fine = int(np.ceil(radius)), 9
    axis = (np.arange((2 * reach + 1) * fine) + 0.5) / fine - reach - 0.5
    inside = (axis[:, None] ** 2 + axis[None, :] ** 2 <= radius**2).astype(float)
    kernel = inside.reshape(2 * reach + 1, fine, 2 * reach + 1, fine).sum(axis=(1, 3))
    return kernel / kernel.sum()


def blurred(sharp: Image.Image) -> Image.Image:
    values = np.asarray(sharp, dtype=float) / 255
    kernel = disk(RADIUS)
    reach = kernel.shape[0] // 2
    padded = np.pad(values, ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
    result = np.zeros_like(values)
    for dy in range(kernel.shape[0]):
        for dx in range(kernel.shape[1]):
            result += kernel[dy, dx] * padded[dy : dy + HEIGHT, dx : dx + WIDTH]
    result += np.random.default_rng(SEED).normal(0, NOISE, (HEIGHT, WIDTH, 1))
    return Image.fromarray(np.uint8(np.clip(np.round(result * 255), 0, 255)))


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "Examples")
    folder.mkdir(parents=True, exist_ok=True)
    sharp = page()
    sharp.save(folder / "page-sharp.png", optimize=True)
    blurred(sharp).save(folder / "page-blurred.png", optimize=True)


if __name__ == "__main__":
    main()

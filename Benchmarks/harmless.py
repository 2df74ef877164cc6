"""What restoring does to pictures that need it and to those that do not.

    python3 harmless.py make SET --photos FOLDER... --pages PAIRS --sharp FOLDER
    restormer restore SET/input -o SET/output
    python3 harmless.py score SET SET/output

`make` writes SET/input and SET/target: of every photograph a part of 320 pixels, clean, dark, as JPEG of quality 70 and 40 and
with noise of 2 levels; of sharp pages and of blurred ones (folders `input` and `target` of PAIRS) the same and more. `score`
prints how many decibels each kind gained and lost. Needs numpy and Pillow.
"""

import argparse
import io
import pathlib

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

SIDE = 320
CAP = 50.0  # a picture that is its own target has no PSNR; 50 dB is beyond what can be seen


def load(path):
    image = Image.open(path)
    return np.asarray(image.convert("RGB"), np.float32) / 255


def middle(pixels, side=SIDE):
    height, width = pixels.shape[:2]
    top, left = max(0, (height - side) // 2), max(0, (width - side) // 2)
    return pixels[top : top + side, left : left + side]


def rounded(pixels):
    return (np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8)


def jpeg(pixels, quality):
    file = io.BytesIO()
    Image.fromarray(rounded(pixels)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"), np.float32) / 255


def noisy(pixels, sigma=2, seed=1):
    return pixels + np.random.default_rng(seed).normal(0, sigma / 255, pixels.shape)


def uneven(pixels):
    height, width = pixels.shape[:2]
    light = np.linspace(1, 0.45, width)[None, :] * np.linspace(1, 0.85, height)[:, None]
    return pixels * light[..., None]


def tinted(pixels, color):
    return pixels * np.asarray(color, np.float32)


FORMS = {
    "clean": lambda p: p,
    "dark": lambda p: p * 0.4,
    "jpeg70": lambda p: jpeg(p, 70),
    "jpeg40": lambda p: jpeg(p, 40),
    "noise2": noisy,
}
# Light and paper belong to the page: its target has them too.
PAPERS = {
    "gray": lambda p: tinted(p, (0.62, 0.62, 0.62)),
    "coloured": lambda p: tinted(p, (0.95, 0.85, 0.62)),
    "uneven": uneven,
    "turned90": lambda p: np.rot90(p, 1),
    "turned180": lambda p: np.rot90(p, 2),
    "turned270": lambda p: np.rot90(p, 3),
}


class Set:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        for name in ("input", "target"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    def add(self, name, given, target):
        for folder, pixels in (("input", given), ("target", target)):
            Image.fromarray(rounded(pixels)).save(self.folder / folder / f"{name}.png")


def screenshot(seed, dark=False):
    """A window with a title bar, buttons, a list and lines of text."""
    random = np.random.default_rng(seed)
    ground, ink = ((30, 32, 36), (220, 220, 220)) if dark else ((246, 246, 248), (30, 30, 30))
    image = Image.new("RGB", (SIDE, SIDE), ground)
    draw = ImageDraw.Draw(image)
    fonts = [
        ImageFont.truetype(f"/usr/share/fonts/truetype/dejavu/{name}.ttf", size)
        for name, size in (("DejaVuSans", 11), ("DejaVuSans-Bold", 12), ("DejaVuSansMono", 11))
    ]
    draw.rectangle((0, 0, SIDE, 26), fill=(60, 90, 160))
    draw.text((8, 6), "Settings and preferences", fill="white", font=fonts[1])
    for i in range(6):
        color = tuple(int(v) for v in random.integers(60, 230, 3))
        draw.rounded_rectangle((8, 36 + 44 * i, 44, 72 + 44 * i), 6, fill=color)
        draw.text((54, 36 + 44 * i), "Some entry of the list", fill=ink, font=fonts[0])
        draw.text((54, 54 + 44 * i), f"value = {random.random():.6f}", fill=(120, 120, 130), font=fonts[2])
        draw.line((8, 76 + 44 * i, SIDE - 8, 76 + 44 * i), fill=(128, 128, 128))
    draw.rounded_rectangle((230, 290, 310, 314), 5, fill=(40, 120, 80))
    draw.text((246, 294), "Apply", fill="white", font=fonts[0])
    return np.asarray(image, np.float32) / 255


def handwriting(seed):
    """Strokes of a pen in lines, as wide as a pen's, on paper."""
    random = np.random.default_rng(seed)
    image = Image.new("RGB", (3 * SIDE, 3 * SIDE), (250, 249, 244))
    draw = ImageDraw.Draw(image)
    for line in range(8):
        t = np.arange(0, 300) / 300
        phase, speed = random.random(4) * 6, random.uniform(80, 140, 4)
        x = 60 + t * 820 + 16 * np.sin(speed[0] * t + phase[0]) + 9 * np.sin(speed[1] * t + phase[1])
        y = 80 + 110 * line + 24 * np.sin(speed[2] * t + phase[2]) + 14 * np.sin(speed[3] * t + phase[3])
        draw.line(list(zip(x, y)), fill=(35, 40, 110), width=int(random.integers(5, 9)), joint="curve")
    small = image.resize((SIDE, SIDE), Image.LANCZOS)
    return np.asarray(small, np.float32) / 255


def desk(page, seed):
    """A page, turned by some degrees, on a wooden desk."""
    random = np.random.default_rng(seed)
    grain = random.normal(0, 1, (40, 6)).cumsum(0)
    wood = np.asarray(Image.fromarray(((grain - grain.min()) / np.ptp(grain) * 255).astype(np.uint8)).resize((384, 384), Image.BICUBIC), np.float32) / 255
    wood = np.stack([0.35 + 0.25 * wood, 0.22 + 0.18 * wood, 0.12 + 0.1 * wood], -1)
    sheet = Image.fromarray(rounded(page)).convert("RGBA").rotate(4, Image.BICUBIC, expand=True)
    image = Image.fromarray(rounded(wood)).convert("RGBA")
    image.alpha_composite(sheet, ((384 - sheet.width) // 2, (384 - sheet.height) // 2))
    return np.asarray(image.convert("RGB"), np.float32) / 255


def blur(pixels, radius, seed=1, noise=2):
    grid = np.arange(-4, 5)
    disk = np.clip(radius + 0.5 - np.hypot(*np.meshgrid(grid, grid)), 0, 1)
    disk /= disk.sum()
    padded = np.pad(pixels, ((4, 4), (4, 4), (0, 0)), "reflect")
    height, width = pixels.shape[:2]
    blurred = sum(
        disk[i, j] * padded[i : i + height, j : j + width] for i in range(9) for j in range(9)
    )
    return noisy(blurred, noise, seed)


def photos(folders):
    names = {}
    for folder in folders:
        for path in sorted(pathlib.Path(folder).iterdir()):
            if path.suffix.lower() in (".png", ".jpg", ".bmp") and path.stat().st_size > 20_000:
                names.setdefault(path.stem, path)
    for name, path in names.items():
        pixels = load(path)
        if min(pixels.shape[:2]) >= 128:
            yield name, middle(pixels)


def make(arguments):
    bench = Set(arguments.set)
    scenes = dict(photos(arguments.photos))
    for name, pixels in scenes.items():
        for form, change in FORMS.items():
            bench.add(f"photo-{form}-{name}", change(pixels), pixels * 0.4 if form == "dark" else pixels)
    for seed in range(3):
        for kind, pixels in (("screenshot", screenshot(seed)), ("screenshotdark", screenshot(seed, True)), ("handwriting", handwriting(seed))):
            for form, change in FORMS.items():
                bench.add(f"{kind}-{form}-{seed}", change(pixels), pixels * 0.4 if form == "dark" else pixels)
    sharp = sorted(pathlib.Path(arguments.sharp).glob("*.png"))[: arguments.count]
    pairs = pathlib.Path(arguments.pages)
    blurred = sorted((pairs / "input").glob("*.png"))[: arguments.count]
    for path in sharp:
        page = middle(load(path))
        for form, change in FORMS.items():
            bench.add(f"sharp-{form}-{path.stem}", change(page), page * 0.4 if form == "dark" else page)
        for form, change in PAPERS.items():
            bench.add(f"sharp-{form}-{path.stem}", change(page), change(page))
        for radius in (0.8, 1.2, 1.7, 2.2):
            bench.add(f"blur{radius}-{path.stem}", blur(page, radius), page)
    for path in blurred:
        given, target = load(path), load(pairs / "target" / path.name)
        for form, change in FORMS.items():
            bench.add(f"blurred-{form}-{path.stem}", change(given), target * 0.4 if form == "dark" else target)
        for form, change in PAPERS.items():
            bench.add(f"blurred-{form}-{path.stem}", change(given), change(target))
    names = list(scenes)
    for index, path in enumerate(blurred):
        given, target = load(path), load(pairs / "target" / path.name)
        photo = scenes[names[index % len(names)]][:256, :256]
        photo = np.pad(photo, ((0, 256 - photo.shape[0]), (0, 256 - photo.shape[1]), (0, 0)), "reflect")
        bench.add(f"half-photo-{path.stem}", np.concatenate([given, photo], 1), np.concatenate([target, photo], 1))
        bench.add(f"half-sharp-{path.stem}", np.concatenate([given, target], 1), np.concatenate([target, target], 1))
        bench.add(f"desk-blurred-{path.stem}", desk(given, index), desk(target, index))
        bench.add(f"desk-sharp-{path.stem}", desk(target, index), desk(target, index))


def psnr(a, b):
    return min(CAP, -10 * np.log10(max(1e-12, np.mean((a - b) ** 2))))


def score(arguments):
    folder = pathlib.Path(arguments.set)
    kinds = {}
    for path in sorted((folder / "input").glob("*.png")):
        given, target = load(path), load(folder / "target" / path.name)
        gain = psnr(load(pathlib.Path(arguments.output) / path.name), target) - psnr(given, target)
        kind = path.stem.rsplit("-", 1)[0] if path.stem.startswith("blur") and path.stem[4].isdigit() else "-".join(path.stem.split("-")[:2])
        if path.stem[:4] == "blur" and path.stem[4].isdigit():
            kind = path.stem.split("-")[0]
        kinds.setdefault(kind, []).append((gain, path.stem))
    print(f"| {'pictures':20} | number | mean gain, dB | worst, dB | lose over 0.3 dB |")
    print("|---|---:|---:|---:|---:|")
    for kind, gains in kinds.items():
        values = np.array([gain for gain, _ in gains])
        print(f"| {kind:20} | {len(values)} | {values.mean():+.2f} | {values.min():+.2f} | {(values < -0.3).sum()} |")
        if arguments.worst:
            for gain, name in sorted(gains)[: arguments.worst]:
                print(f"    {gain:+.2f} {name}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    making = commands.add_parser("make")
    making.add_argument("set")
    making.add_argument("--photos", nargs="+", required=True)
    making.add_argument("--pages", required=True)
    making.add_argument("--sharp", required=True)
    making.add_argument("--count", type=int, default=8)
    making.set_defaults(run=make)
    scoring = commands.add_parser("score")
    scoring.add_argument("set")
    scoring.add_argument("output")
    scoring.add_argument("--worst", type=int, default=0)
    scoring.set_defaults(run=score)
    arguments = parser.parse_args()
    arguments.run(arguments)


main()

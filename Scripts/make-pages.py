#!/usr/bin/env python3
"""Renders the bundled sample pages: clean crops of printed manual pages under Examples/pages/. With a number of pages, a larger
and more varied set for a longer training, which is not bundled: more fonts and sizes, other scripts, pictures, other words.

Needed only to make the files anew: Pillow, numpy and the fonts named in FONTS (Debian packages fonts-liberation2, fonts-cmu,
fonts-linuxlibertine, fonts-texgyre, fonts-inconsolata, fonts-firacode, fonts-lato, fonts-crosextra-carlito,
fonts-crosextra-caladea, fonts-roboto-slab; for the held-out pages fonts-dejavu, fonts-sil-gentium-basic, fonts-open-sans,
fonts-hack). The larger set also wants fonts-ebgaramond, fonts-sil-charis, fonts-sil-andika, fonts-cabin, fonts-cantarell,
fonts-paratype, fonts-vollkorn, fonts-oldstandard, fonts-junicode, fonts-mononoki, fonts-quicksand and fonts-jura.
The text lies in Scripts/pages-text. Pages for validation share neither text nor fonts with the training pages.
usage: Scripts/make-pages.py [OUTPUT_FOLDER [NUMBER_OF_PAGES]]
"""

import random
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

CROP = 256
FINE = 4  # everything is drawn at this many times its size and averaged: unhinted, evenly grey edges
WIDTH, HEIGHT = 840, 1130  # about A4 at 102 dpi
LEVELS = 32  # grey levels of a crop: finer ones cost bytes and are not seen
TEXT = Path(__file__).parent / "pages-text"

# Files of a family: regular, bold, italic.
FONTS = {
    "liberation-serif": ("LiberationSerif-Regular.ttf", "LiberationSerif-Bold.ttf", "LiberationSerif-Italic.ttf"),
    "liberation-sans": ("LiberationSans-Regular.ttf", "LiberationSans-Bold.ttf", "LiberationSans-Italic.ttf"),
    "liberation-mono": ("LiberationMono-Regular.ttf", "LiberationMono-Bold.ttf", "LiberationMono-Italic.ttf"),
    "computer-modern": ("cmunrm.ttf", "cmunbx.ttf", "cmunti.ttf"),
    "computer-modern-mono": ("cmuntt.ttf", "cmuntb.ttf", "cmunit.ttf"),
    "computer-modern-sans": ("cmunss.ttf", "cmunsx.ttf", "cmunsi.ttf"),
    "libertine": ("LinLibertine_R.otf", "LinLibertine_RB.otf", "LinLibertine_RI.otf"),
    "termes": ("texgyretermes-regular.otf", "texgyretermes-bold.otf", "texgyretermes-italic.otf"),
    "pagella": ("texgyrepagella-regular.otf", "texgyrepagella-bold.otf", "texgyrepagella-italic.otf"),
    "schola": ("texgyreschola-regular.otf", "texgyreschola-bold.otf", "texgyreschola-italic.otf"),
    "bonum": ("texgyrebonum-regular.otf", "texgyrebonum-bold.otf", "texgyrebonum-italic.otf"),
    "heros": ("texgyreheros-regular.otf", "texgyreheros-bold.otf", "texgyreheros-italic.otf"),
    "cursor": ("texgyrecursor-regular.otf", "texgyrecursor-bold.otf", "texgyrecursor-italic.otf"),
    "caladea": ("Caladea-Regular.ttf", "Caladea-Bold.ttf", "Caladea-Italic.ttf"),
    "carlito": ("Carlito-Regular.ttf", "Carlito-Bold.ttf", "Carlito-Italic.ttf"),
    "lato": ("Lato-Regular.ttf", "Lato-Bold.ttf", "Lato-Italic.ttf"),
    "roboto-slab": ("RobotoSlab-Regular.otf", "RobotoSlab-Bold.otf", "RobotoSlab-Regular.otf"),
    "inconsolata": ("Inconsolata.otf", "Inconsolata.otf", "Inconsolata.otf"),
    "fira-code": ("FiraCode-Regular.ttf", "FiraCode-Bold.ttf", "FiraCode-Light.ttf"),
    "dejavu-serif": ("DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf", "DejaVuSerif-Italic.ttf"),
    "dejavu-sans": ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSans-Oblique.ttf"),
    "dejavu-mono": ("DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf", "DejaVuSansMono-Oblique.ttf"),
    "gentium": ("GenBasR.ttf", "GenBasB.ttf", "GenBasI.ttf"),
    "open-sans": ("OpenSans-Regular.ttf", "OpenSans-Bold.ttf", "OpenSans-Italic.ttf"),
    "hack": ("Hack-Regular.ttf", "Hack-Bold.ttf", "Hack-Italic.ttf"),
    "garamond": ("EBGaramond12-Regular.otf", "EBGaramond12-Bold.otf", "EBGaramond12-Italic.otf"),
    "charis": ("CharisSIL-Regular.ttf", "CharisSIL-Bold.ttf", "CharisSIL-Italic.ttf"),
    "andika": ("Andika-Regular.ttf", "Andika-Bold.ttf", "Andika-Italic.ttf"),
    "cabin": ("Cabin-Regular.otf", "Cabin-Bold.otf", "Cabin-Italic.otf"),
    "cantarell": ("Cantarell-Regular.otf", "Cantarell-Bold.otf", "Cantarell-Light.otf"),
    "pt-serif": ("PTF55F.ttf", "PTF75F.ttf", "PTF56F.ttf"),
    "pt-sans": ("PTS55F.ttf", "PTS75F.ttf", "PTS56F.ttf"),
    "pt-mono": ("PTM55F.ttf", "PTM55F.ttf", "PTM55F.ttf"),
    "vollkorn": ("Vollkorn-Regular.ttf", "Vollkorn-Bold.ttf", "Vollkorn-Italic.ttf"),
    "old-standard": ("OldStandard-Regular.ttf", "OldStandard-Bold.ttf", "OldStandard-Italic.ttf"),
    "junicode": ("JunicodeTwoBeta-Regular.otf", "JunicodeTwoBeta-Bold.otf", "JunicodeTwoBeta-Italic.otf"),
    "adventor": ("texgyreadventor-regular.otf", "texgyreadventor-bold.otf", "texgyreadventor-italic.otf"),
    "mononoki": ("mononoki-Regular.ttf", "mononoki-Bold.ttf", "mononoki-Italic.ttf"),
    "quicksand": ("Quicksand-Regular.ttf", "Quicksand-Bold.ttf", "Quicksand-Light.ttf"),
    "jura": ("Jura-Regular.otf", "Jura-Bold.otf", "Jura-Light.otf"),
    "lato-light": ("Lato-Light.ttf", "Lato-Heavy.ttf", "Lato-LightItalic.ttf"),
    "libertine-heavy": ("LinLibertine_RZ.otf", "LinLibertine_RB.otf", "LinLibertine_RZI.otf"),
}
# Body, headings, code.
TRAIN = [
    ("computer-modern", "computer-modern", "computer-modern-mono"),
    ("termes", "heros", "cursor"),
    ("liberation-serif", "liberation-sans", "liberation-mono"),
    ("liberation-sans", "liberation-sans", "liberation-mono"),
    ("libertine", "lato", "inconsolata"),
    ("computer-modern", "computer-modern-sans", "computer-modern-mono"),
    ("pagella", "heros", "computer-modern-mono"),
    ("carlito", "carlito", "fira-code"),
    ("schola", "schola", "liberation-mono"),
    ("caladea", "carlito", "inconsolata"),
    ("heros", "heros", "cursor"),
    ("roboto-slab", "lato", "fira-code"),
    ("bonum", "roboto-slab", "liberation-mono"),
    ("lato", "lato", "inconsolata"),
]
# Besides those, in the larger set.
WIDER = [
    ("garamond", "cabin", "mononoki"),
    ("charis", "andika", "pt-mono"),
    ("pt-serif", "pt-sans", "pt-mono"),
    ("pt-sans", "pt-sans", "mononoki"),
    ("vollkorn", "cantarell", "inconsolata"),
    ("old-standard", "old-standard", "computer-modern-mono"),
    ("junicode", "cabin", "cursor"),
    ("cabin", "adventor", "liberation-mono"),
    ("andika", "cantarell", "mononoki"),
    ("lato-light", "quicksand", "fira-code"),
    ("libertine-heavy", "jura", "liberation-mono"),
    ("liberation-mono", "liberation-mono", "liberation-mono"),
    ("cursor", "heros", "cursor"),
    ("adventor", "bonum", "pt-mono"),
]
VAL = [("gentium", "open-sans", "hack"), ("dejavu-serif", "dejavu-sans", "dejavu-mono"), ("open-sans", "open-sans", "hack")]
SIZES = [12, 12.6, 13.4, 14, 14.5, 15, 15.6, 16.5, 18]
WIDER_SIZES = [9, 10, 11, 11.5] + SIZES + SIZES + [20, 23, 27, 34]
LATIN = "abcdefghijklmnopqrstuvwxyz"
# Where a page is set in another script, each letter becomes one of it: nothing that can be read, but its shapes. By families
# that have them.
SCRIPTS = [
    ("абцдефгхийклмнопярстувжчыз", ("liberation-serif", "liberation-sans", "liberation-mono", "computer-modern", "libertine",
                                    "charis", "andika", "pt-serif", "pt-sans", "old-standard")),
    ("αβξδεφγηικκλμνοπθρστυβωχψζ", ("liberation-serif", "liberation-sans", "liberation-mono", "libertine", "old-standard")),
]
INKS = [(0, 0, 0)] * 6 + [(26, 26, 30), (40, 38, 36), (62, 60, 64)]
# The darker ones are what a camera makes of white paper in poor light.
PAPERS = [(255, 255, 255)] * 7 + [(250, 248, 240), (244, 244, 246), (230, 227, 218), (212, 212, 210), (194, 192, 186)]
ACCENTS = [(0, 0, 190), (24, 96, 84), (120, 24, 40), (20, 62, 122), (190, 60, 0)]


def font_files() -> dict[str, str]:
    listed = subprocess.run(["fc-list", "--format", "%{file}\n"], capture_output=True, text=True, check=True)
    return {Path(line).name: line for line in listed.stdout.splitlines()}


FILES = font_files()
LOADED: dict = {}


def font(family: str, face: int, size: float) -> ImageFont.FreeTypeFont:
    key = (family, face, round(size * FINE))
    if key not in LOADED:
        LOADED[key] = ImageFont.truetype(FILES[FONTS[family][face]], key[2])
    return LOADED[key]


@dataclass
class Style:
    body: str
    heading: str
    mono: str
    size: float
    leading: float
    justified: bool
    ink: tuple
    paper: tuple
    accent: tuple


def inline(text: str) -> list[tuple[str, str]]:
    """Words with the face they are set in: plain, bold, italic or code."""
    words = []
    for part in re.split(r"(\*\*[^*]+\*\*|(?<![\w])_[^_]+_|`[^`]+`)", text):
        face = "plain"
        for mark, name in (("**", "bold"), ("_", "italic"), ("`", "code")):
            if len(part) > 2 * len(mark) and part.startswith(mark) and part.endswith(mark):
                part, face = part[len(mark) : -len(mark)], name
                break
        glue = bool(words) and bool(part) and not part[0].isspace() and face == "plain"
        for word in part.split():
            if glue:  # punctuation right behind a marked word stays with it
                words.append((word, face, False))
                glue = False
            else:
                words.append((word, face, True))
    return words


class Page:
    """A sheet that is filled from top to bottom, in one or two columns."""

    def __init__(self, style: Style, columns: int, rng: random.Random):
        self.style, self.rng = style, rng
        self.image = Image.new("RGB", (WIDTH * FINE, HEIGHT * FINE), style.paper)
        self.draw = ImageDraw.Draw(self.image)
        left, right, gap = 62, WIDTH - 62, 26
        width = (right - left - gap * (columns - 1)) / columns
        self.columns = [(left + k * (width + gap), width) for k in range(columns)]
        self.column, self.y = 0, 84.0
        self.ink = style.ink

    @property
    def left(self) -> float:
        return self.columns[min(self.column, len(self.columns) - 1)][0]

    @property
    def width(self) -> float:
        return self.columns[min(self.column, len(self.columns) - 1)][1]

    @property
    def full(self) -> bool:
        return self.column >= len(self.columns)

    def room(self, height: float) -> bool:
        """Moves to the next column where `height` does not fit; false when the page is full."""
        if not self.full and self.y + height > HEIGHT - 76:
            self.column, self.y = self.column + 1, 84.0
        return not self.full

    def face(self, kind: str, size: float) -> ImageFont.FreeTypeFont:
        style = self.style
        family, index = {
            "plain": (style.body, 0), "bold": (style.body, 1), "italic": (style.body, 2), "code": (style.mono, 0),
            "link": (style.body, 0), "heading": (style.heading, 1), "mono-bold": (style.mono, 1), "sans": (style.heading, 0),
        }[kind]
        return font(family, index, size * (0.94 if family == style.mono else 1))

    def text(self, x: float, y: float, words: str, kind: str, size: float, fill=None) -> float:
        """Writes on the base line `y` and returns the width."""
        face = self.face(kind, size)
        self.draw.text((round(x * FINE), round(y * FINE)), words, font=face, fill=fill or self.ink, anchor="ls")
        return face.getlength(words) / FINE

    def rule(self, x: float, y: float, width: float, weight: float = 0.75, fill=None) -> None:
        self.draw.rectangle([x * FINE, y * FINE, (x + width) * FINE, (y + weight) * FINE - 1], fill=fill or self.ink)

    def box(self, x: float, y: float, width: float, height: float, fill=None, outline=None) -> None:
        self.draw.rectangle(
            [x * FINE, y * FINE, (x + width) * FINE, (y + height) * FINE], fill=fill, outline=outline, width=FINE)

    def lines(self, words, width: float, size: float):
        """Breaks words into lines of at most `width`."""
        space = self.face("plain", size).getlength(" ") / FINE
        line, used = [], 0.0
        for word, kind, spaced in words:
            length = self.face(kind, size).getlength(word) / FINE
            ahead = space if line and spaced else 0
            if line and spaced and used + ahead + length > width:
                yield line, used, False
                line, used, ahead = [], 0.0, 0
            line.append((word, kind, ahead, length))
            used += ahead + length
        yield line, used, True

    def paragraph(self, text: str, size=None, indent=0.0, inset=0.0, mark="", justified=None, first=0.0) -> None:
        size = size or self.style.size
        step = size * self.style.leading
        justified = self.style.justified if justified is None else justified
        words = [(w, "link" if k == "plain" and self.links(w) else k, s) for w, k, s in inline(text)]
        started = False
        for line, used, last in self.lines(words, self.width - indent - inset, size):
            if not self.room(step):
                return
            self.y += step
            x = self.left + indent + (first if not started else 0)
            if mark and not started:
                self.text(x - size * 0.6 - self.face("plain", size).getlength(mark) / FINE, self.y, mark, "plain", size)
            started = True
            gaps = sum(1 for item in line if item[2])
            spare = self.width - indent - inset - used - (x - self.left - indent)
            extra = max(0, spare) / gaps if justified and gaps and not last and spare < size * 5 else 0
            for word, kind, ahead, length in line:
                x += ahead + (extra if ahead else 0)
                self.text(x, self.y, word, kind, size, self.style.accent if kind == "link" else None)
                x += length
        self.y += size * 0.5

    def links(self, word: str) -> bool:
        return word[0].isdigit() and "." in word[:-1] and self.rng.random() < 0.6

    def heading(self, text: str, number: str, level: int) -> None:
        size = self.style.size * (1.75, 1.35, 1.12)[level]
        if not self.room(size * 4):
            return
        self.y += size * 1.75
        fill = self.style.accent if self.rng.random() < 0.35 else None
        x = self.left
        if number:
            x += self.text(x, self.y, number, "heading", size, fill) + size * 0.6
        for word in text.split():
            length = self.face("heading", size).getlength(word + " ") / FINE
            if x + length > self.left + self.width:
                x, self.y = self.left, self.y + size * 1.2
            self.text(x, self.y, word, "heading", size, fill)
            x += length
        self.y += size * 0.45

    def code(self, lines: list[str], shaded: bool) -> None:
        size = self.style.size * 0.96
        step = size * 1.22
        height = step * len(lines) + size
        if not self.room(height + size):
            return
        if shaded:
            shade = self.rng.choice([(241, 241, 241), (232, 238, 244), (250, 244, 222)])
            self.box(self.left, self.y + 2, self.width, height, fill=shade)
        y = self.y + 2 + size * 0.3
        limit = int(self.width / (self.face("code", size).getlength("m") / FINE)) - 3
        for line in lines:
            y += step
            kind = "mono-bold" if line.startswith("$") and self.rng.random() < 0.3 else "code"
            self.text(self.left + (6 if shaded else 24), y, line[:limit], kind, size)
        self.y += height + size * 0.6

    def table(self, rows: list[list[str]], ruled: bool) -> None:
        size = self.style.size * 0.95
        step = size * 1.5
        if not self.room(step * len(rows) + size):
            return
        pitch = self.width / len(rows[0])
        top = self.y + size * 0.6
        for number, row in enumerate(rows):
            y = top + step * (number + 1) - size * 0.4
            for place, cell in enumerate(row):
                kind = "heading" if number == 0 else ("code" if place == 0 else "plain")
                x = self.left + place * pitch + 5
                if place and number:
                    x += pitch * 0.55 - self.face(kind, size).getlength(cell) / FINE
                self.text(x, y, cell, kind, size)
            if ruled or number == 0:
                self.rule(self.left, top + step * (number + 1), self.width)
        self.rule(self.left, top, self.width, 1.25)
        bottom = top + step * len(rows)
        self.rule(self.left, bottom, self.width, 1.25)
        if ruled:
            for place in range(len(rows[0]) + 1):
                self.box(self.left + place * pitch, top, 0.75, bottom - top, fill=self.ink)
        self.y = bottom + size

    def note(self, text: str, inverse: bool) -> None:
        """A paragraph in a frame, or light on dark."""
        size = self.style.size
        words = inline(text)
        height = size * self.style.leading * len(list(self.lines(words, self.width - 28, size))) + size * 1.4
        if not self.room(height + size):
            return
        top = self.y + 6
        if inverse:
            dark = self.rng.choice([(20, 20, 24), (30, 60, 110), (110, 30, 36), (60, 60, 60)])
            self.box(self.left, top, self.width, height, fill=dark)
            self.ink = (255, 255, 255)
        else:
            self.box(self.left, top, self.width, height, outline=self.style.ink)
        self.y = top + size * 0.35
        accent, self.style.accent = self.style.accent, self.ink if inverse else self.style.accent
        self.paragraph(text, indent=14, inset=14)
        self.ink, self.style.accent = self.style.ink, accent
        self.y = top + height + size * 0.7

    def figure(self) -> None:
        """A small line drawing: a plot or boxes with arrows, with a caption."""
        height = self.style.size * 8
        if not self.room(height + self.style.size * 3):
            return
        top, rng = self.y + 10, self.rng
        size = self.style.size * 0.85
        if rng.random() < 0.5:
            self.rule(self.left + 30, top + height, self.width - 60)
            self.box(self.left + 30, top, 0.75, height, fill=self.ink)
            value, points = 0.5, []
            for k in range(25):
                value = min(0.95, max(0.05, value + rng.uniform(-0.16, 0.17)))
                points.append(((self.left + 30 + k * (self.width - 70) / 24) * FINE, (top + height * (1 - value)) * FINE))
            self.draw.line(points, fill=self.style.accent, width=round(1.2 * FINE))
            for k in range(5):
                self.text(self.left + 2, top + height * (1 - k / 5), f"{k * 0.2:.1f}", "sans", size)
                self.text(self.left + 40 + k * (self.width - 80) / 5, top + height + size * 1.2, str(k * 50), "sans", size)
        else:
            side = (self.width - 60) / 3
            for k, name in enumerate(rng.sample(["input", "filter", "queue", "store", "output", "parse", "check"], 3)):
                x = self.left + k * (side + 30)
                self.box(x, top + height * 0.3, side, height * 0.4, outline=self.ink)
                length = self.face("sans", size).getlength(name) / FINE
                self.text(x + (side - length) / 2, top + height * 0.5 + size * 0.35, name, "sans", size)
                if k < 2:
                    self.rule(x + side, top + height * 0.5, 30, 1)
                    tip = [(x + side + 29, top + height * 0.5), (x + side + 21, top + height * 0.5 - 4), (x + side + 21, top + height * 0.5 + 5)]
                    self.draw.polygon([(a * FINE, b * FINE) for a, b in tip], fill=self.ink)
        self.y = top + height + size * 1.6
        self.paragraph(f"**Figure {rng.randint(1, 9)}.{rng.randint(1, 30)}:** {caption(rng)}", size=size, indent=20)

    def picture(self) -> None:
        """What a photograph on a page looks like to a network: soft shapes, edges and grain, without print."""
        height, width = round(self.style.size * self.rng.uniform(6, 14)), round(self.width)
        if not self.room(height + self.style.size * 2):
            return
        noise = np.random.default_rng(self.rng.randrange(1 << 30))
        total = np.zeros((height, width, 3))
        for cells in (2, 5, 11, 40):
            field = noise.uniform(0, 255, (cells, cells * 2, 3)).astype(np.uint8)
            smooth = self.rng.choice([Image.Resampling.BICUBIC, Image.Resampling.BICUBIC, Image.Resampling.NEAREST])
            total += np.asarray(Image.fromarray(field).resize((width, height), smooth)) / cells**0.7
        total = (total - total.min()) / np.ptp(total) * self.rng.uniform(150, 255) + noise.normal(0, 3, total.shape)
        soft = Image.fromarray(total.clip(0, 255).astype(np.uint8))
        where = (round(self.left * FINE), round((self.y + 6) * FINE))
        self.image.paste(soft.resize((width * FINE, height * FINE), Image.Resampling.BICUBIC), where)
        self.y += height + self.style.size

    def furniture(self, title: str, number: int) -> None:
        """Running head and page number."""
        size = self.style.size * 0.9
        self.text(62, 52, title, "italic" if number % 2 else "sans", size)
        label = str(number)
        self.text(WIDTH - 62 - self.face("plain", size).getlength(label) / FINE, 52, label, "plain", size)
        self.rule(62, 59, WIDTH - 124)
        self.text(WIDTH / 2 - 12, HEIGHT - 40, f"- {number} -", "plain", size)

    def finished(self) -> Image.Image:
        return self.image.reduce(FINE)


HEADS = (
    "Introduction|Getting started|Before you begin|Command line options|Files and folders|Known problems|Exit status|How it works|"
    "Safety instructions|Technical data|Maintenance|A worked example|Regular expressions|Environment variables|Quick reference|"
    "Missing values|Frequently asked questions|Index of symbols|Notes for translators|What has changed"
).split("|")
VAL_HEADS = "Overview|Troubleshooting|Spare parts|Reading the display|Further examples|Glossary|Building from source|Rights and duties".split("|")


def caption(rng: random.Random) -> str:
    return rng.choice(["the three stages and what passes between them", "values over time, one reading a minute",
                       "how the parts are connected", "load on a typical working day"])


def numbers(rng: random.Random) -> list[list[str]]:
    names = rng.sample(["size", "depth", "rate", "speed", "mass", "price", "delay", "width", "level", "index"], 6)
    columns = rng.randint(3, 5)
    head = rng.sample(["Name", "Unit", "Min.", "Max.", "Mean", "Share", "Code", "Total"], columns)
    def cell() -> str:
        return rng.choice([f"{rng.uniform(0, 100):.1f}", f"{rng.randint(1, 9999):,}", f"{rng.random():.3f}", f"{rng.randint(1, 99)} %", "-"])
    return [head] + [[name] + [cell() for _ in range(columns - 1)] for name in names[: rng.randint(3, 6)]]


def deal(items: list[str], rng: random.Random):
    """The items in random order, again and again."""
    while True:
        yield from rng.sample(items, len(items))


def shuffled(sentences: list[str], rng: random.Random):
    """The sentences, and as many made of their words in any order, with other numbers, in small or large letters."""
    words = [word for sentence in sentences for word in sentence.replace("**", "").replace("`", "").split()]
    while True:
        if rng.random() < 0.4:
            yield rng.choice(sentences)
            continue
        drawn = [rng.choice(words) for _ in range(rng.randint(6, 30))]
        drawn = ["".join(rng.choice("0123456789") if c.isdigit() else c for c in word) for word in drawn]
        if rng.random() < 0.25:
            drawn.insert(rng.randrange(len(drawn)), f"{rng.uniform(0, 10 ** rng.randint(1, 6)):.{rng.randint(0, 3)}f}")
        case = rng.choices([str.upper, str.title, str], [1, 1, 8])[0]
        yield case(" ".join(drawn))


def transliterated(lines, letters: str):
    """The lines in another script."""
    table = str.maketrans(LATIN + LATIN.upper(), letters + letters.upper())
    return (line.translate(table) for line in lines)


def make_page(fonts, number: int, sentences, code, heads, rng: random.Random, sizes=SIZES, pictures=0.0) -> Image.Image:
    style = Style(*fonts, rng.choice(sizes), rng.uniform(1.15, 1.4), rng.random() < 0.75, rng.choice(INKS),
                  rng.choice(PAPERS), rng.choice(ACCENTS))
    page = Page(style, 2 if rng.random() < 0.25 else 1, rng)
    chapter = rng.randint(1, 12)
    page.furniture(f"{chapter}. {next(heads)}", number)
    page.heading(next(heads), str(chapter), 0)
    section = rng.randint(1, 9)

    def run(count: int) -> str:
        return " ".join(next(sentences) for _ in range(count))

    while page.room(style.size * 2):
        kind = rng.choices(["text", "list", "code", "table", "note", "inverse", "heading", "figure", "foot", "picture"],
                           [9, 3, 5, 2.5, 1, 1.2, 3, 1, 1.5, pictures])[0]
        if kind == "text":
            page.paragraph(run(rng.randint(1, 3)), first=rng.choice([0, 0, style.size * 1.5]))
        elif kind == "list":
            marks = rng.choice([["•"] * 4, ["1.", "2.", "3.", "4."], ["-"] * 4, ["(a)", "(b)", "(c)", "(d)"]])
            for mark in marks[: rng.randint(2, 4)]:
                page.paragraph(next(sentences), indent=style.size * 2, mark=mark)
        elif kind == "code":
            page.code([next(code) for _ in range(rng.randint(2, 7))], rng.random() < 0.6)
        elif kind == "table":
            page.table(numbers(rng), rng.random() < 0.4)
        elif kind in ("note", "inverse"):
            page.note(next(sentences), kind == "inverse")
        elif kind == "heading":
            section += 1
            page.heading(next(heads), f"{chapter}.{section}" if rng.random() < 0.7 else "", rng.randint(1, 2))
        elif kind == "figure":
            page.figure()
        elif kind == "picture":
            page.picture()
        else:
            page.paragraph(f"{rng.randint(1, 40)} " + next(sentences), size=style.size * 0.8)
    return page.finished()


def crops(page: Image.Image, count: int, rng: random.Random):
    """Crops of a page that hold print, as little overlapping as a grid with a random origin."""
    found = []
    for top in range(rng.randint(20, 60), HEIGHT - CROP, CROP):
        for left in range(rng.randint(10, 50), WIDTH - CROP, CROP):
            crop = page.crop((left, top, left + CROP, top + CROP))
            if np.asarray(crop.convert("L")).std() > 40:
                found.append(crop)
    return rng.sample(found, min(count, len(found)))


def save(crop: Image.Image, path: Path) -> None:
    """As grey levels where there is no colour, else with a palette."""
    values = np.asarray(crop).astype(int)
    if np.abs(values - values[..., :1]).max() == 0:
        grey = np.round(np.round(values[..., 0] / 255 * (LEVELS - 1)) / (LEVELS - 1) * 255)
        Image.fromarray(grey.astype(np.uint8)).save(path, optimize=True)
    else:
        crop.quantize(64, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(path, optimize=True)


def read(name: str) -> list[str]:
    return [line for line in (TEXT / name).read_text().splitlines() if line and not line.startswith("# ")]


def write(folder: Path, families, pages: int, each: int, prefix: str, heads: list[str], seed: int) -> None:
    rng = random.Random(seed)
    sentences, code = deal(read(f"{prefix}.txt"), rng), deal(read(f"{prefix}-code.txt"), rng)
    titles = deal(heads, rng)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(pages):
        page = make_page(families[number % len(families)], rng.randint(1, 300), sentences, code, titles, rng)
        for index, crop in enumerate(crops(page, each, rng)):
            save(crop, folder / f"{number:02}-{index}.png")


def write_wider(folder: Path, pages: int, each: int, seed: int) -> None:
    rng = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    code, titles = deal(read("train-code.txt"), rng), deal(HEADS, rng)
    families = TRAIN + WIDER
    for number in range(pages):
        fonts = families[number % len(families)]
        sentences = shuffled(read("train.txt"), rng)
        letters = [letters for letters, known in SCRIPTS if fonts[0] in known]
        if letters and rng.random() < 0.3:
            sentences = transliterated(sentences, rng.choice(letters))
        page = make_page(fonts, rng.randint(1, 300), sentences, code, titles, rng, WIDER_SIZES, pictures=0.5)
        for index, crop in enumerate(crops(page, each, rng)):
            save(crop, folder / f"{number:03}-{index:02}.png")


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "Examples/pages")
    if len(sys.argv) > 2:
        write_wider(folder, int(sys.argv[2]), 8, seed=3)
        return
    write(folder / "train", TRAIN, 56, 6, "train", HEADS, seed=1)
    write(folder / "val", VAL, 8, 3, "val", VAL_HEADS, seed=2)


if __name__ == "__main__":
    main()

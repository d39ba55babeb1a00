"""The style and the fonts of all figures, whatever the user has set for others."""

import functools
import logging

from matplotlib import font_manager, style
from matplotlib.font_manager import FontProperties
from matplotlib.ft2font import FT2Font
from matplotlib.textpath import TextPath

FONT = "DejaVu Sans"  # matplotlib's own
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # many a font has no bold face


def default_style(draw):
    """Make a function draw in matplotlib's default style, and its texts in fonts that have all their characters."""

    @functools.wraps(draw)
    def drawn(*arguments, **options):
        characters = set()
        _change([*arguments, *options.values()], characters.update)
        fonts, missing = _fonts(frozenset(characters))
        codes = str.maketrans({letter: f"U+{ord(letter):04X}" for letter in missing})
        drawable = lambda value: _change(value, lambda text: text.translate(codes))
        arguments, options = drawable(arguments), {name: drawable(value) for name, value in options.items()}
        with style.context(["default", {"font.family": fonts, "text.parse_math": False}]):  # $ is a character
            return draw(*arguments, **options)

    return drawn


def inches(text, size):
    """The width of one line of text in bold, `size` points high."""
    if not text.strip():
        return 0  # matplotlib 3.11 fails on a text without ink
    return TextPath((0, 0), text, size=size, prop=FontProperties(weight="bold")).get_extents().width / 72


def _change(value, change):
    """Apply a function to a string, or to all strings in lists and tuples of them. Other values stay as they are."""
    if isinstance(value, (list, tuple)):
        parts = [_change(part, change) for part in value]
        return value._make(parts) if hasattr(value, "_make") else parts
    return change(value) if isinstance(value, str) else value


@functools.cache
def _fonts(characters):
    """Return the names of this machine's fonts that draw these characters, and the characters that none of them has."""
    fonts, missing = [FONT], characters - _characters(font_manager.findfont(FONT)) - {"\n"}
    known = font_manager.fontManager.ttflist
    for path in sorted(font_manager.findSystemFonts()) if missing else []:
        if found := missing & _characters(path):
            first = len(known)
            font_manager.fontManager.addfont(path)
            fonts.append(known[first].name)
            missing -= found
        if not missing:
            break
    if missing:
        print(
            f"no font of this machine has {' '.join(sorted(missing))}: install one that has, such as Noto Sans of this "
            "script, and restart the kernel"
        )
    return fonts, missing


@functools.cache
def _characters(path):
    """The characters of a font file; none if it cannot be read or consists of bitmaps, as coloured emoji do."""
    try:
        font = FT2Font(path)
    except (OSError, RuntimeError):
        return frozenset()
    return frozenset(map(chr, font.get_charmap())) if font.scalable else frozenset()

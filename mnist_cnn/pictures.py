"""A picture file -> its pixels, whatever format, palette and orientation it has."""

import contextlib
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
MAX_PIXELS = 100_000_000
MAX_SIDE = 1_000_000  # Pillow takes 16 bytes for each row, however short


def read_picture(path):
    """Read a picture file, turned as its EXIF orientation says; of an animation the first frame.

    path: a PNG, JPEG, WebP, GIF or BMP file, told by its content, not by its name.
    Returns a numpy.ndarray (H, W), or (H, W, C) with C = 2 (grey, opacity), 3 or 4; uint8, or uint16 for 16-bit grey.
    Raises ValueError for a file that is no such picture, is broken or announces more than 100 megapixels (before any
    is decoded), FileNotFoundError if it is missing.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"{path} is not there: expected a picture, {', '.join(FORMATS)}. Check the path")
    if not Path(path).is_file():
        raise ValueError(f"{path}: expected a picture file, found a folder: name one file in it")
    with open(path, "rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's own limit warns below ours; a damaged EXIF is of no concern
        start = file.read(12)
        file.seek(0)
        try:
            with Image.open(file, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS or max(image.size) > MAX_SIDE:
                    raise Image.DecompressionBombError
                image.verify()  # the checksums of a PNG file, which decoding does not look at
            file.seek(0)
            with Image.open(file, formats=FORMATS) as image:
                return _decoded(image)
        except Image.DecompressionBombError:
            found = f"one of more than {MAX_PIXELS // 10**6} megapixels, or {MAX_SIDE:,} a side. Scale or crop it"
        except UnidentifiedImageError:
            if start[4:8] == b"ftyp":
                found = "HEIC, AVIF or a film. Convert it to JPEG or PNG, say with `heif-convert IN OUT.jpg`"
            elif start.startswith((b"\x89PNG", b"\xff\xd8", b"GIF8", b"RIFF", b"BM")):
                found = "a broken or truncated one. Save or download it again"
            else:
                found = "something else. Save it as PNG or JPEG"
        except Exception as error:  # whatever damaged bytes make the decoders raise
            found = f"a broken or truncated one ({error}). Save or download it again"
    raise ValueError(f"{path}: expected a picture, {', '.join(FORMATS)}, found {found}")


def _decoded(image):
    """The pixels of an opened picture, palette and colour space resolved."""
    image.load()
    with contextlib.suppress(Exception):  # an EXIF that cannot be read turns nothing
        ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I"):  # 16-bit grey
        return np.asarray(image).clip(0, 65535).astype(np.uint16)
    if image.mode in ("P", "PA") or "transparency" in image.info:
        image = image.convert("RGBA" if "transparency" in image.info or image.mode == "PA" else "RGB")
    elif image.mode not in ("L", "LA", "RGB", "RGBA"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    pixels = np.empty((image.height, image.width, len(image.getbands())), np.uint8)
    rows = max(1, 2**20 // image.width)  # in strips, as Pillow makes two more copies of what it hands over
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        pixels[top : top + rows] = np.asarray(strip).reshape(strip.height, strip.width, -1)
    return pixels if pixels.shape[2] > 1 else pixels[..., 0]

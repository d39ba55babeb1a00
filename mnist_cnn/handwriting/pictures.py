"""Decoding picture files of any format, palette and orientation."""

import contextlib
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
MAX_PIXELS = 100_000_000
MAX_SIDE = 1_000_000  # Pillow allocates 16 bytes per row, however short the rows are


def read_picture(path):
    """Read a picture file, rotated according to its EXIF orientation. Of an animation, read the first frame.

    path: a PNG, JPEG, WebP, GIF or BMP file. Its content, not its name, determines the format.
    Returns a numpy.ndarray (H, W), or (H, W, C) with C = 2 (grey, opacity), 3 or 4; uint8, or uint16 for 16-bit grey.
    Raises FileNotFoundError if the file is missing; ValueError if it is of another format, broken, or announces more
    than 100 megapixels (before any of them is decoded).
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"{path} is not there: expected a picture, {', '.join(FORMATS)}. Check the path")
    if not Path(path).is_file():
        found = "a folder: name one file in it" if Path(path).is_dir() else "a pipe, a socket or a device"
        raise ValueError(f"{path}: expected a picture file, found {found}")
    with open(path, "rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's own size limit is lower than ours; a damaged EXIF does no harm
        start = file.read(12)
        file.seek(0)
        try:
            with Image.open(file, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS or max(image.size) > MAX_SIDE:
                    raise Image.DecompressionBombError
                image.verify()  # verifies the checksums of a PNG file, which decoding ignores
            file.seek(0)
            with Image.open(file, formats=FORMATS) as image:
                return _decoded(image)
        except Image.DecompressionBombError:
            found = f"one of more than {MAX_PIXELS // 10**6} megapixels, or {MAX_SIDE:,} a side. Scale or crop it"
        except UnidentifiedImageError:
            if not start:
                found = "an empty file. Save or download it again"
            elif start[4:8] == b"ftyp":
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
    with contextlib.suppress(Exception):  # an unreadable EXIF is ignored
        ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I"):  # 16-bit grey
        return np.asarray(image).clip(0, 65535).astype(np.uint16)
    if image.mode in ("P", "PA") or "transparency" in image.info:
        image = image.convert("RGBA" if "transparency" in image.info or image.mode == "PA" else "RGB")
    elif image.mode not in ("L", "LA", "RGB", "RGBA"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    pixels = np.empty((image.height, image.width, len(image.getbands())), np.uint8)
    rows = max(1, 2**20 // image.width)  # in strips, because Pillow makes two more copies of the pixels that it returns
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        pixels[top : top + rows] = np.asarray(strip).reshape(strip.height, strip.width, -1)
    return pixels if pixels.shape[2] > 1 else pixels[..., 0]

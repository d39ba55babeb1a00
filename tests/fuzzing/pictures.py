"""Fuzzing of read_picture: picture files in all formats, whole or damaged."""

import contextlib
import io
import struct
import warnings
import zlib

import numpy as np
from PIL import Image, ImageOps

from mnist_cnn.handwriting import read_picture
from mnist_cnn.handwriting.pictures import FORMATS, MAX_PIXELS
from tests.fuzzing.common import attempt, check_memory, damaged


def pillow_picture(data, channels):
    """Decode a picture with Pillow alone: the first frame, rotated by its EXIF, with this number of channels."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        image.load()
        with contextlib.suppress(Exception):
            image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):
            return np.asarray(image)
        return np.asarray(image.convert({1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]))


def png_chunks(data):
    """(kind, content, whether the checksum is right) of each chunk of a PNG file."""
    place = 8
    while place + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, place)
        body, checksum = data[place + 4 : place + 8 + size], data[place + 8 + size : place + 12 + size]
        yield body[:4], body[4:], struct.pack(">I", zlib.crc32(body)) == checksum
        place += 12 + size


def announced_size(data):
    """The decoded size in bytes according to the header, at 4 bytes per pixel. 0 if the picture must be refused."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return 4 * image.width * image.height if image.width * image.height <= MAX_PIXELS else 0
    except Exception:  # not a picture
        return 0


def check_read_picture(data, folder):
    """data: the bytes of a file. Returns whether it was accepted."""
    path = folder / "picture"
    path.write_bytes(data)
    picture, refusal, memory = attempt(read_picture, path, documented=(ValueError,))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns about large or damaged pictures
        check_memory(memory, announced_size(data) if picture is None else picture.nbytes)
        if refusal is not None:
            assert str(path) in str(refusal)
            return False
        expected = pillow_picture(data, 1 if picture.ndim == 2 else picture.shape[2])
    assert picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] in (2, 3, 4))
    assert picture.dtype == np.uint8 or (picture.dtype == np.uint16 and picture.ndim == 2)
    assert picture.shape[0] * picture.shape[1] <= MAX_PIXELS and picture.flags.writeable
    assert np.array_equal(picture, expected), "the pixels differ from those that Pillow decodes"
    if data.startswith(b"\x89PNG"):
        broken = [kind for kind, _, right in png_chunks(data) if kind in (b"IHDR", b"PLTE", b"IDAT") and not right]
        assert not broken, f"a PNG file with a wrong checksum was accepted: {broken}"
    return True


def png(chunks):
    """A PNG file of these chunks (kind, content, ignored), with right checksums."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content, _ in chunks
    )


MODES = {
    "PNG": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
    "JPEG": ["L", "RGB", "CMYK"],
    "GIF": ["1", "L", "P", "RGB", "RGBA"],
    "BMP": ["1", "L", "P", "RGB", "RGBA"],
    "WEBP": ["L", "RGB", "RGBA"],
}


def picture_file(choose):
    """A small picture in any format and mode, whole or damaged. Some damaged PNG chunks get right checksums."""
    kind = choose.pick([*MODES, "PNG"])
    mode = choose.pick(MODES[kind])
    width, height, step = choose.number(1, 24), choose.number(1, 24), choose.number(1, 255)
    image = picture_image(mode, np.arange(width * height).reshape(height, width) * step % 256)
    options = {}
    if choose.rarely(4):
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = choose.pick([*range(10), 65535])
    if kind == "PNG" and mode in ("1", "L", "P", "RGB", "I;16") and choose.rarely(2):
        options["transparency"] = (1, 2, 3) if mode == "RGB" else 0
    if kind in ("PNG", "GIF", "WEBP") and choose.rarely():
        options |= {"save_all": True, "append_images": [image.copy()]}
    if kind == "JPEG":
        options["progressive"] = choose.rarely(2)
    if kind == "WEBP":
        options["lossless"] = choose.rarely(2)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    data = buffer.getvalue()
    if kind == "PNG" and choose.rarely(2):
        chunks = list(png_chunks(data))
        place = choose.number(0, len(chunks) - 1)
        name, content, right = chunks[place]
        chunks[place] = choose.pick([name] * 9 + [b"tRNS", b"PLTE", b"eXIf", b"fdAT"]), damaged(choose, content), right
        data = png(chunks[:place] + chunks[place:][::-1] if choose.rarely() else chunks)
    return damaged(choose, data) if choose.rarely(2) else data


def picture_image(mode, values):
    """A Pillow image of this mode. All its bands have these values, 0 to 255."""
    grey = Image.fromarray(np.uint8(values))
    if mode == "I;16":
        return Image.fromarray(np.uint16(values * 257))
    return grey.convert(mode) if mode in ("1", "P") else Image.merge(mode, [grey] * len(mode))

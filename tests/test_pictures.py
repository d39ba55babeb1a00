"""Picture files of every format to pixels."""

import io
import os
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from mnist_cnn.handwriting import read_picture, to_mnist
from tests.drawings import draw


def test_every_format_is_decoded(tmp_path):
    ink = draw(6, 80, 70, 60, 8)
    grey = Image.fromarray(np.uint8(255 - 255 * ink))
    clear = Image.new("RGBA", grey.size)
    clear.putalpha(Image.fromarray(np.uint8(255 * ink)))
    sixteen = Image.fromarray(np.uint16(65535 * (1 - ink)))
    files = {
        "grey.png": (grey, np.uint8, (80, 70)),
        "bit.png": (grey.convert("1"), np.uint8, (80, 70)),
        "grey-alpha.png": (clear.convert("LA"), np.uint8, (80, 70, 2)),
        "rgb.png": (grey.convert("RGB"), np.uint8, (80, 70, 3)),
        "rgba.png": (clear, np.uint8, (80, 70, 4)),
        "palette.png": (grey.convert("RGB").quantize(8), np.uint8, (80, 70, 3)),
        "palette-clear.png": (clear.quantize(8), np.uint8, (80, 70, 4)),
        "sixteen.png": (sixteen, np.uint16, (80, 70)),
        "photo.jpg": (grey.convert("RGB"), np.uint8, (80, 70, 3)),
        "grey.jpg": (grey, np.uint8, (80, 70)),
        "cmyk.jpg": (grey.convert("CMYK"), np.uint8, (80, 70, 3)),
        "photo.webp": (grey.convert("RGB"), np.uint8, (80, 70, 3)),
        "clear.webp": (clear, np.uint8, (80, 70, 4)),
        "drawing.gif": (grey, np.uint8, (80, 70, 3)),
        "drawing.bmp": (grey.convert("RGB"), np.uint8, (80, 70, 3)),
    }
    expected = to_mnist(np.asarray(grey)).float()
    for name, (image, dtype, shape) in files.items():
        image.save(tmp_path / name)
        picture = read_picture(tmp_path / name)
        assert (picture.dtype, picture.shape) == (dtype, shape), name
        assert (to_mnist(picture).float() - expected).abs().mean() < 20, (
            name
        )  # a lossy format may shift it by one pixel


def test_an_animation_gives_its_first_frame(tmp_path):
    frames = [Image.new("L", (20, 20), value) for value in (40, 200)]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    assert read_picture(tmp_path / "two.gif").max() == 40


def test_the_exif_orientation_is_applied(tmp_path):
    picture = Image.new("L", (30, 20), 255)
    picture.paste(0, (0, 0, 5, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees clockwise
    picture.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    turned = read_picture(str(tmp_path / "turned.jpg"))
    assert turned.shape == (30, 20)
    assert turned[:4].max() < 60 and turned[8:].min() > 200


def png_header(width, height):
    """The start of a PNG file with this size in its header."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return head + struct.pack(">I", 9) + b"IDAT" + b"\x78\x9c"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("empty.png", b"", "found an empty file"),
        ("text.jpg", b"just some text, not a picture", "something else"),
        ("page.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "something else"),
        ("phone.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC.*Convert"),
        ("film.avif", b"\0\0\0\x1cftypavif\0\0\0\0", "HEIC, AVIF"),
        ("huge.png", png_header(10_001, 10_000), "100 megapixels"),
        ("vast.png", png_header(2**31 - 1, 2**31 - 1), "100 megapixels"),
        ("cut.png", png_header(20, 20), "broken or truncated"),
        ("cut-early.png", png_header(20, 20)[:30], "broken or truncated"),
    ],
)
def test_other_files_are_refused_with_the_reason(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=message) as caught:
            read_picture(tmp_path / name)
    assert name in str(caught.value) and "expected" in str(caught.value)


def test_missing_files_and_folders_are_reported(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.png is not there"):
        read_picture(tmp_path / "gone.png")
    with pytest.raises(ValueError, match="folder"):
        read_picture(tmp_path)


@pytest.mark.parametrize("extension", ["png", "jpeg", "webp", "gif", "bmp"])
def test_damaged_files_raise_only_value_error(tmp_path, extension):
    buffer = io.BytesIO()
    Image.fromarray(np.uint8(255 - 255 * draw(9, 40, 40, 30, 4))).convert("RGB").save(buffer, extension)
    whole, rng, path = buffer.getvalue(), np.random.default_rng(0), tmp_path / "damaged"
    for trial in range(80):
        data = bytearray(whole[: rng.integers(1, len(whole))] if trial % 2 else whole)
        for place in rng.integers(0, len(data), trial % 6):
            data[place] = rng.integers(256)
        path.write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                assert read_picture(path).ndim in (2, 3)
            except ValueError as error:
                assert "damaged" in str(error)
    assert Image.MAX_IMAGE_PIXELS == 89478485  # the default: Pillow's settings are not changed


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_without_waiting_for_data(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="expected a picture file, found a pipe, a socket or a device"):
        read_picture(tmp_path / "pipe")

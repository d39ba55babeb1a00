"""Loading one split of MNIST, or of any data set in its format; its mean and standard deviation."""

from pathlib import Path

import numpy as np
import torch

from mnist_cnn.idx import FILES, IDXError, find, read_idx


def load_split(root, split, classes=10):
    """Load the images and labels of one split.

    root: the folder with the four files, in `train/` and `test/`, side by side, or in torchvision's `MNIST/raw/`;
        gzip-compressed or not. Names may differ a little, see `idx.find`.
    split: "train" or "test".
    classes: the number of classes. Labels range from 0 to classes - 1.
    Returns (images, labels): uint8 (N, 1, 28, 28), from 0 (paper) to 255 (ink), and int64 (N,).
    Raises FileNotFoundError if a file is missing; IDXError if the files are damaged, do not belong together or do not
    have MNIST's format. The message says how to convert them.
    """
    if split not in FILES:
        raise ValueError(f'expected split "train" or "test", found {split!r}')
    root = Path(root).expanduser()
    places = [root / split, root, root / "MNIST" / "raw", root / "raw"]
    folder = next((place for place in places if find(place / FILES[split][0])), places[0])
    images_path, labels_path = (folder / name for name in FILES[split])
    images, labels = read_idx(images_path), read_idx(labels_path)

    if images.ndim == 1 and labels.ndim == 3:
        raise IDXError(f"{images_path} holds labels and {labels_path} holds images: the two files are swapped")
    _check_images(images, images_path)
    _check_labels(labels, labels_path, classes)
    if len(images) != len(labels):
        raise IDXError(f"{images_path} holds {len(images)} images, but {labels_path} holds {len(labels)} labels")
    return torch.from_numpy(images).unsqueeze(1), torch.from_numpy(labels.astype(np.int64))


def mean_std(images):
    """Return the mean and standard deviation of all pixels of uint8 `images`, as floats in [0, 1] units.

    They are exact: computed from the counts of the 256 pixel values, without a floating-point copy of the images.
    Raises TypeError for another dtype, ValueError if there are no images.
    """
    if images.dtype != torch.uint8:
        raise TypeError(f"expected uint8 images, found {images.dtype}")
    if images.numel() == 0:
        raise ValueError("expected at least one image, found none")
    counts = torch.bincount(images.flatten(), minlength=256).cpu().double()
    values = torch.arange(256, dtype=torch.float64) / 255
    mean = (counts * values).sum() / counts.sum()
    variance = (counts * (values - mean) ** 2).sum() / counts.sum()
    return mean.item(), variance.sqrt().item()


def check_variety(split, images, labels):
    """Raise ValueError if nothing can be learned, because all images are equal or all labels are.

    split: its name, for the message. images: (N, 1, 28, 28); labels: (N,); N is at least 1.
    """
    darkest, lightest = images.amin(dim=0), images.amax(dim=0)
    if torch.equal(darkest, lightest):
        pixels = f"all {darkest.min()}" if darkest.min() == darkest.max() else "the same in each"
        raise ValueError(
            f"{split}: expected images that differ, found {len(images):,} with pixels {pixels}: check the files"
        )
    if len(labels.unique()) == 1:
        raise ValueError(
            f"{split}: expected digits of two classes or more, found {len(labels):,} of class {labels[0]}: check them"
        )


def _check_images(images, path):
    if images.dtype != np.uint8:
        low, high = (images.min(), images.max()) if images.size else (0, 0)
        unsigned = f", probably uint{8 * images.itemsize}: view them as that first" * bool(low < 0)
        raise IDXError(
            f"{path}: expected uint8 pixels, found {images.dtype} from {low:g} to {high:g}{unsigned}; "
            "divide them by their maximum, multiply by 255, and convert them to uint8"
        )
    if images.ndim != 3 or images.shape[1:] != (28, 28):
        raise IDXError(
            f"{path}: expected images of shape (N, 28, 28), found {images.shape}: reshape or resize them to 28x28"
        )
    if len(images) == 0:
        raise IDXError(f"{path}: expected at least one image, found none")


def _check_labels(labels, path, classes):
    if labels.ndim == 2:
        raise IDXError(
            f"{path}: expected one label for each image, shape (N,), found {labels.shape}: if this is QMNIST's "
            "file of many columns, keep the first one, labels[:, 0], as uint8"
        )
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise IDXError(f"{path}: expected integer labels of shape (N,), found {labels.dtype} {labels.shape}")
    if len(labels) and (labels.min() < 0 or labels.max() >= classes):
        hint = (
            "EMNIST's letters start at 1 and its images are transposed: subtract 1 from the labels and transpose each "
            "image"
            if labels.min() == 1
            else "does CLASS_NAMES in the settings fit this data set?"
        )
        raise IDXError(f"{path}: expected labels 0 to {classes - 1}, found {labels.min()} to {labels.max()}: {hint}")

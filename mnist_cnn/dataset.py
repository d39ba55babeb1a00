"""Loading one split of MNIST, or of any data set in its format; its mean and standard deviation."""

from pathlib import Path

import numpy as np
import torch

from mnist_cnn.idx import FILES, IDXError, find, read_idx

# Of MNIST's mean 0 to 9: the logarithm of vertical to horizontal variance of the ink, and the correlation of y and x.
TALL = [0.17, 1.66, 0.53, 0.83, 0.13, 0.61, 0.52, 0.70, 0.80, 0.66]
SLANT = [-0.23, -0.56, -0.13, -0.09, -0.06, -0.22, -0.03, -0.05, -0.26, 0.0]


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


def check_split(split, images, labels):
    """Raise ValueError if nothing of use can be learned: all images or labels are equal, or the digits are not upright.

    split: its name, for the message. images: uint8 (N, 1, 28, 28); labels: (N,); N is at least 1.
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
    if (turned := _how_turned(images, labels)) not in ("", "upright"):
        raise ValueError(
            f"{split}: expected upright digits, found digits that seem to be {turned}: correct the images, or the "
            "network will not recognize anybody's handwriting. EMNIST's are transposed: images.transpose(0, 2, 1)"
        )


def are_digits(images, labels):
    """Return whether the images (N, 1, 28, 28) of labels 0 to 9 look like these digits, and upright."""
    return _how_turned(images, labels) == "upright"


def _how_turned(images, labels):
    """How the digits are turned: "upright", "transposed", "mirrored" or "turned by 90 degrees"; "" for other images.

    The mean image of each digit is compared with MNIST's by two numbers: how tall it is, and how it slants. Images of
    anything other than the ten digits hardly ever agree with all twenty numbers.
    """
    some = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:2000].to(images.device)
    images, labels = images[some].cpu(), labels[some].cpu()
    if not set(range(10)) <= set(labels.tolist()):
        return ""
    means = torch.stack([images[labels == digit].double().mean(dim=(0, 1)) for digit in range(10)]) + 1e-6
    means /= means.sum(dim=(1, 2), keepdim=True)  # (10, 28, 28)
    axis = torch.arange(28, dtype=torch.float64)
    y, x = axis - means.sum(dim=2) @ axis[:, None], axis - means.sum(dim=1) @ axis[:, None]  # from the centre of mass
    yy, xx, yx = (torch.einsum("nij,ni,nj->n", means, a, b) for a, b in ((y**2, x**0), (y**0, x**2), (y, x)))
    shapes = torch.stack([(yy / xx).log(), yx / (yy * xx).sqrt()])
    tall, slant = (np.corrcoef(ours, theirs)[0, 1] for ours, theirs in zip(shapes, (TALL, SLANT)))
    if not (abs(tall) > 0.9 and abs(slant) > 0.7):  # of 500 of MNIST's digits, hardly ever less
        return ""
    if tall > 0:
        return "upright" if slant > 0 else "mirrored"
    return "transposed" if slant > 0 else "turned by 90 degrees"


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

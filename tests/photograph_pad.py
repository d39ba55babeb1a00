"""Take a screenshot of the drawing pad with the weights of MNIST-MODEL.pth: writes mnist_cnn/sketchpad/sketchpad.png.

python -m tests.photograph_pad
"""

import sys

from playwright.sync_api import sync_playwright

from mnist_cnn import files, sketchpad
from mnist_cnn.weights import load_weights
from tests.helpers import ROOT
from tests.pad import FOR_PHOTOGRAPH, PHOTOGRAPH, find_chromium, photograph


def main():
    if (chromium := find_chromium()) is None:
        sys.exit("expected chromium, chromium-browser or google-chrome, found none of them: install one")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(**FOR_PHOTOGRAPH)
        page.set_content(sketchpad.page(load_weights(ROOT / "MNIST-MODEL.pth")))
        picture = photograph(page)
        browser.close()
    files.write(ROOT / PHOTOGRAPH, picture)
    print(f"{PHOTOGRAPH}: {len(picture):,} bytes")


if __name__ == "__main__":
    main()

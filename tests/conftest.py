"""What several tests share: MNIST, the weights as committed, copies of the repository, a browser, JupyterLab."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from mnist_cnn.dataset import load_split
from mnist_cnn.model import load_weights

ROOT = Path(__file__).parent.parent
PATIENCE = 180_000  # milliseconds, for a busy machine
HARMLESS = "Could not restore the debugger state"  # JupyterLab tells its console so when a kernel is restarted


def committed(name):
    """The bytes of a file as last committed: `make train` and `make benchmark` may have written it anew."""
    git = ["git", "show", f"HEAD:./{name}"]
    shown = subprocess.run(git, cwd=ROOT, capture_output=True) if shutil.which("git") else None
    return shown.stdout if shown and shown.returncode == 0 else (ROOT / name).read_bytes()


@pytest.fixture(scope="session")
def train_split():
    return load_split(ROOT / "dataset", "train")


@pytest.fixture(scope="session")
def test_split():
    return load_split(ROOT / "dataset", "test")


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """The path of a copy of the committed weights."""
    path = tmp_path_factory.mktemp("committed") / "MNIST-MODEL.pth"
    path.write_bytes(committed("MNIST-MODEL.pth"))
    return path


@pytest.fixture(scope="session")
def model(weights):
    """The committed network."""
    return load_weights(weights)


@pytest.fixture(scope="session")
def copy_of_repository(tmp_path_factory):
    """A function that makes a fresh copy of what the notebooks need, but for the data, in a temporary folder."""

    def copy():
        folder = tmp_path_factory.mktemp("copy")
        for name in ("workspace.ipynb", "playground.ipynb", "MNIST-MODEL.pth"):
            shutil.copy(ROOT / name, folder)
        for name in ("mnist_cnn", "pictures"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        return folder

    return copy


@pytest.fixture(scope="module")
def chromium():
    """A headless browser; without one these tests skip, but never under CI=true."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        reason = "no chromium, chromium-browser or google-chrome, in which the pad and the notebooks are tested"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium):
    """A function that opens a page; at the end of the test no request has left and the console had no error."""
    contexts, faults = [], []

    def complain(text):
        if HARMLESS not in text:
            faults.append(text)

    def stays(url, allowed):
        local = url.replace("ws://", "http://").startswith(("data:", "blob:", "file:", *allowed))
        if not local:
            complain(f"request: {url}")
        return local

    def open(url, *allowed, **options):
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.route("**/*", lambda r: r.continue_() if stays(r.request.url, allowed) else r.abort())
        page.on("websocket", lambda socket: stays(socket.url, allowed))
        page.on("console", lambda message: message.type == "error" and complain(f"console: {message.text}"))
        page.on("pageerror", lambda error: complain(f"error: {error}"))
        page.goto(url)
        return page

    yield open
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture(scope="module")
def jupyterlab(tmp_path_factory):
    """A function that starts this environment's JupyterLab on a folder, in an empty home, and returns its address."""
    servers = []

    def start(folder):
        home = tmp_path_factory.mktemp("home")
        places = {name: home / name for name in ("config", "data", "runtime")}
        labconfig = places["config"] / "labconfig"
        for place in (*places.values(), labconfig):
            place.mkdir(parents=True)
        no_news = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
        (labconfig / "page_config.json").write_text(json.dumps(no_news))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
        command += [f"--port={port}", "--port-retries=0", f"--ServerApp.root_dir={folder}"]
        command += ["--IdentityProvider.token=", "--LabApp.extension_manager=readonly"]
        environment = {f"JUPYTER_{name.upper()}_DIR": str(place) for name, place in places.items()}
        environment |= {"HOME": str(home), "JUPYTER_PREFER_ENV_PATH": "1"}
        environment |= {"OMP_NUM_THREADS": "1"}  # on a busy machine two threads wait for each other most of the time
        log = home / "lab.log"
        with open(log, "wb") as file:
            server = subprocess.Popen(command, env=os.environ | environment, stdout=file, stderr=file, cwd=folder)
        servers.append(server)
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{url}/api", timeout=5).close()
                return url
            except OSError:
                assert server.poll() is None, log.read_text()
                time.sleep(0.5)
        pytest.fail(f"JupyterLab does not answer:\n{log.read_text()}")

    yield start
    for server in servers:
        server.terminate()
    for server in servers:
        server.wait(30)


def texts_apart(figure):
    """Assert that no text of the figure is cut off or overlaps another; returns them all."""
    figure.draw_without_rendering()
    frame = figure.bbox
    texts = [text for text in figure.findobj(match=lambda a: hasattr(a, "get_text")) if text.get_text()]
    boxes = [text.get_window_extent() for text in texts if text.get_visible()]
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    return " ".join(text.get_text() for text in texts)


def wait_until_idle(page):
    """Wait until the kernel of the notebook that is open in JupyterLab has nothing more to do."""
    page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for(timeout=PATIENCE)

"""Fixtures: MNIST, the committed weights, copies of the repository, a browser, JupyterLab."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
import torch
from playwright.sync_api import sync_playwright

from mnist_cnn import sketchpad
from mnist_cnn.dataset import load_split
from mnist_cnn.weights import load_weights
from tests.helpers import DATA, ROOT, committed, few_digits
from tests.pad import find_chromium

HARMLESS = "Could not restore the debugger state"  # JupyterLab logs this when a kernel is restarted


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Two tests run at a time: with two threads each, they and their kernels would mostly wait for each other."""
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session")
def train_split():
    return load_split(DATA, "train")


@pytest.fixture(scope="session")
def test_split():
    return load_split(DATA, "test")


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """Settings with which workspace.ipynb runs in seconds."""
    return few_digits(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def quick(small):
    """For each notebook, settings with which all of its cells run in seconds."""
    used = {"PICTURES": "pictures/t*", "MY_WEIGHTS": "MNIST-MODEL.pth"}  # as after fine-tuning: the same as WEIGHTS
    return {"workspace.ipynb": small, "playground.ipynb": {"DATA": small["DATA"], **used}}


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
    """A function that copies everything that the notebooks need, except the data, into a new temporary folder."""

    def copy():
        folder = tmp_path_factory.mktemp("copy")
        for name in ("workspace.ipynb", "playground.ipynb", "MNIST-MODEL.pth"):
            shutil.copy(ROOT / name, folder)
        for name in ("mnist_cnn", "pictures", "tools"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        return folder

    return copy


@pytest.fixture(scope="session")
def address(model, tmp_path_factory):
    """The address of a page with the pad."""
    path = tmp_path_factory.mktemp("pad") / "sketchpad.html"
    path.write_text(sketchpad.page(model), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def chromium():
    """A headless browser. Without one, these tests are skipped, or fail if CI=true."""
    program = find_chromium()
    if program is None:
        reason = "needs chromium, chromium-browser or google-chrome"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium):
    """A function that opens a page. The test fails if a request leaves the machine or the console shows an error."""
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

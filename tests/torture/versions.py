"""Test the lowest and the newest packages of requirements.txt on the oldest and the newest Python.

python -m tests.torture.versions               # all four: up to an hour; 10 GB of disk, freed after each
python -m tests.torture.versions 3.10 lowest   # one of them

Each fresh environment runs the tests that need neither a browser nor a kernel, then both notebooks. With the newest
packages, none of them may cause a deprecation warning, in our code or in a package that it calls.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PYTHONS = ("3.10", "3.13")
BOUNDS = ("lowest", "newest")
PACKAGES = ("torch", "torchvision", "numpy", "scipy", "matplotlib", "scikit-learn", "pillow", "jupyterlab", "ipython")
DEPRECATIONS = ("DeprecationWarning", "PendingDeprecationWarning", "FutureWarning")


class Failed(Exception):
    """A step failed. The message says which, in a few words."""


def find_python(version):
    """The path of this Python version, from PATH or pyenv, or None."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for program in (shutil.which(f"python{version}"), *sorted(pyenv.glob(f"{version}.*/bin/python"), reverse=True)):
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        if program and subprocess.run([program, "-c", code], capture_output=True, text=True).stdout.strip() == version:
            return str(program)
    return None


def command(*words, cwd=ROOT, warnings=""):
    """Run a command and return its `returncode`, `stdout` and `stderr`."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment["PYTHONWARNINGS"] = warnings
    return subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=3600)


def last_line(text):
    return (text.strip().splitlines() or ["no output"])[-1]


def install(program, bounds, folder):
    """Create an environment with the lowest or the newest packages. Returns the path of its Python."""
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    if bounds == "lowest":
        requirements = requirements.replace(">=", "==")
    (folder / "requirements.txt").write_text(requirements, encoding="utf-8")
    python = str(folder / "environment" / ("Scripts" if os.name == "nt" else "bin") / "python")
    packages = ("-r", str(folder / "requirements.txt"), "-r", str(ROOT / "tests" / "requirements.txt"))
    for words in (
        (program, "-m", "venv", str(folder / "environment")),
        (python, "-m", "pip", "install", "-q", *packages),
    ):
        done = command(*words)
        if done.returncode:
            print(done.stderr, flush=True)
            raise Failed("**failed**: does not install: " + last_line(done.stderr))
    return python


def versions(python):
    """The versions in this environment, {name: version}."""
    code = "import importlib.metadata as m, json, platform; print(json.dumps({'python': platform.python_version()} | "
    return json.loads(command(python, "-c", f"{code} {{name: m.version(name) for name in {PACKAGES}}}))").stdout)


def run_tests(python, copy, bounds):
    """Run the tests that need neither a browser nor a kernel. Returns how many passed, as text."""
    slow = ("open_page", "copy_of_repository")  # fixtures of the tests that need a browser or a kernel
    files = [path for path in (copy / "tests").glob("test_*.py") if not any(s in path.read_text("utf-8") for s in slow)]
    strict = "\n".join(f"error::{name}" for name in DEPRECATIONS) if bounds == "newest" else ""
    words = (python, "-m", "pytest", "-q", "--tb=short", "-o", f"filterwarnings={strict}", *map(str, sorted(files)))
    done = command(*words, cwd=copy)
    print(done.stdout[-8000:], done.stderr, flush=True)
    if done.returncode:
        failed = re.findall(r"^(?:FAILED|ERROR) (.+)", done.stdout, flags=re.MULTILINE)
        raise Failed(f"{len(failed)} tests, " + "; ".join(failed) if failed else last_line(done.stdout + done.stderr))
    return re.search(r"\d+ passed", done.stdout)[0].replace(" ", " tests ")


def check_notebook(python, copy, bounds, name, *settings):
    """Run a notebook. It must write nothing to stderr, where warnings go."""
    warnings = ",".join(f"default::{name}" for name in DEPRECATIONS) if bounds == "newest" else ""
    done = command(python, "-m", "tools.run_notebook", name, *settings, cwd=copy, warnings=warnings)
    print(done.stdout[-2000:], done.stderr, flush=True)
    if done.returncode:
        raise Failed(f"{name}: {last_line(done.stderr)}")
    cells = json.loads((copy / name).read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", []) if output.get("name") == "stderr"]
    errors = done.stderr + "".join("".join(output["text"]) for output in outputs)
    if errors.strip():
        print(errors, flush=True)
        raise Failed(f"{name} warns: {errors.strip().splitlines()[0]}")
    return f"{name} ok"


def try_out(version, bounds):
    """Test one combination. Returns a line with the result."""
    print(f"Python {version}, {bounds} packages ...", flush=True)
    program = find_python(version)
    if program is None:
        return f"Python {version}, {bounds} packages: skipped, there is no Python {version} here"
    start, found, results = time.perf_counter(), {}, []
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        copy = folder / "copy"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".venv", ".git", "__pycache__", ".*_cache"))
        try:
            python = install(program, bounds, folder)
            found = versions(python)
            parts = [
                lambda: run_tests(python, copy, bounds),
                lambda: check_notebook(python, copy, bounds, "workspace.ipynb", "EPOCHS=1"),
                lambda: check_notebook(python, copy, bounds, "playground.ipynb"),
            ]
        except Failed as error:
            parts, results = [], [str(error)]
        installed = time.perf_counter()
        print(found, f"installed in {installed - start:.0f} s", flush=True)
        for part in parts:  # all of them, even if one fails
            try:
                results.append(part())
            except (Failed, subprocess.TimeoutExpired) as error:
                results.append(f"**failed**: {error}")
        tested = time.perf_counter()
    named = ", ".join(f"{name} {found[name]}" for name in PACKAGES if name in found)
    seconds = f"{installed - start:.0f} s to install, {tested - installed:.0f} s to test"
    return f"Python {found.get('python', version)}, {bounds} packages: {'; '.join(results)}; {seconds}; {named}"


def run(pythons=PYTHONS, all_bounds=BOUNDS):
    """Test every combination. Returns a line of Markdown for each."""
    lines = []
    for version in pythons:
        for bounds in all_bounds:
            lines.append(try_out(version, bounds))
            print(lines[-1], flush=True)
    return lines


if __name__ == "__main__":
    chosen = sys.argv[1:]
    lines = run([p for p in PYTHONS if p in chosen] or PYTHONS, [b for b in BOUNDS if b in chosen] or BOUNDS)
    sys.exit(any("**failed**" in line for line in lines))

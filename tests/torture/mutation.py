"""Mutation testing: which small changes of the code do the tests notice?

python -m tests.torture mutation               # an hour
python -m tests.torture mutation --scale 0.1   # the first module only

mutmut changes one operator, number, string or argument at a time, in every function of the modules below, and runs the
tests that call this function. A mutant is killed if a test fails. torture-faults/mutants.txt then lists the survivors,
with what was changed; mutants.md explains why they do not matter.
"""

import ast
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
SURVIVORS = ROOT / "torture-faults" / "mutants.txt"
TESTS = {  # of each module
    "training/augment": "test_augment",
    "training/muon": "test_muon",
    "training/checks": "test_checks",
    "idx": "test_idx",
    "dataset": "test_dataset",
    "model": "test_model test_typicality",
    "weights": "test_weights test_replaced_weights",
    "files": "test_files",
    "handwriting/centering": "test_center",
}
BY_HAND = [  # changes that mutmut does not make: constants of a module, and complete steps of a method
    ("training/augment", "ROTATION = 12 *", "ROTATION = 0 *"),
    ("training/augment", "SCALE = 0.12", "SCALE = 0.0"),
    ("training/augment", "SHEAR = 0.2", "SHEAR = 0.0"),
    ("training/augment", "SHIFT = 2.0", "SHIFT = 0.0"),
    ("training/augment", "CONTROL = 6", "CONTROL = 7"),
    ("training/augment", 'grid, mode="bicubic"', 'grid, mode="bilinear"'),
    ("training/augment", 'size), mode="bicubic"', 'size), mode="bilinear"'),
    ("training/augment", 'padding_mode="zeros"', 'padding_mode="border"'),
    ("training/augment", ".clamp_(0, 1)", ""),
    ("training/muon", "orthogonalize(gradient.lerp(momentum, MOMENTUM))", "orthogonalize(momentum)"),
    ("training/muon", "orthogonalize(gradient.lerp(momentum, MOMENTUM))", "orthogonalize(gradient)"),
    ("training/muon", "orthogonalize(gradient.lerp(momentum, MOMENTUM))", "gradient.lerp(momentum, MOMENTUM)"),
    ("training/muon", "MOMENTUM = 0.9", "MOMENTUM = 0.95"),
    ("training/muon", "NEWTON_SCHULZ_STEPS = 2", "NEWTON_SCHULZ_STEPS = 3"),
    ("training/muon", "RMS = 0.2", "RMS = 0.3"),
    ("training/muon", "kernel.mul_(1 - group", "(1 - group"),
    ("training/checks", "MARGIN = 0.05", "MARGIN = 0.06"),
    ("idx", '0x0B: ">i2"', '0x0B: "<i2"'),
    ("idx", "MAX_RANK = 64", "MAX_RANK = 63"),
    ("model", "SURE = 0.75", "SURE = 0.76"),
    ("model", "    model.eval()\n    try:", "    try:"),
    ("model", "@torch.inference_mode()", ""),
    ("weights", "((_orig_mod|module)", "((module)"),
    ("weights", '"cpu", weights_only=True', '"cpu", weights_only=False'),
    ("files", "            file.flush()\n", ""),
    ("files", "            _sync(file)\n", ""),
    ("files", "os.path.realpath(os.path.expanduser(path))", "path"),
]
CONFIGURATION = """
[tool.mutmut]
source_paths = ["mnist_cnn"]
only_mutate = {modules}
process_isolation = "forkserver"
pytest_add_cli_args = ["-p", "no:cacheprovider"]
pytest_add_cli_args_test_selection = {tests}
"""
KILLED = ("killed", "timeout", "segfault")


def path(module):
    return f"mnist_cnn/{module}.py"


def test_files(module):
    return [f"tests/{name}.py" for name in TESTS[module].split()]


def copy(folder, modules):
    """Copy into `folder` what mutmut and the tests of these modules need."""
    ignore = shutil.ignore_patterns("__pycache__", "corpus", "torture")
    for name in ("mnist_cnn", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    settings = {
        "modules": [path(module) for module in modules],
        "tests": [file for module in modules for file in test_files(module)],
    }
    (folder / "pyproject.toml").write_text(CONFIGURATION.format(**settings), encoding="utf-8")
    (folder / "mutants").mkdir()
    for home in (folder, folder / "mutants"):  # mutmut runs the tests in the second one
        (home / "dataset").symlink_to(ROOT / "dataset")
        shutil.copy(ROOT / "MNIST-MODEL.pth", home)


def command(*words, folder):
    """Run a Python module in `folder`, on one core. Returns the finished process."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": ""}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.run([sys.executable, "-m", *words], cwd=folder, env=environment, **pipes)


def by_hand(modules, folder):
    """Make the changes of BY_HAND, one at a time. Returns their number and descriptions of the survivors."""
    changes, survivors = [change for change in BY_HAND if change[0] in modules], []
    for module, old, new in changes:
        file = folder / path(module)
        text = file.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{path(module)} no longer contains {old!r} once"
        file.write_text(text.replace(old, new), encoding="utf-8")
        if command("pytest", "-x", "-q", "-p", "no:cacheprovider", *test_files(module), folder=folder).returncode == 0:
            survivors.append(f"{path(module)}: {old!r} -> {new!r}\n")
            print("survived:", survivors[-1], end="", flush=True)
        file.write_text(text, encoding="utf-8")
    return len(changes), survivors


def undecorate(file):
    """Apply decorators after the definition, `f = decorator(f)`: mutmut skips decorated functions.

    Caches are left out: mutmut selects the tests that call a function, and a cached result hides the call.
    """
    text = file.read_text(encoding="utf-8")
    lines = text.splitlines()
    for top in reversed(ast.parse(text).body):
        for node in reversed(top.body) if isinstance(top, ast.ClassDef) else [top]:
            if isinstance(node, ast.FunctionDef) and node.decorator_list:
                name = node.name if node is top else f"{top.name}.{node.name}"
                decorators = [ast.unparse(decorator) for decorator in reversed(node.decorator_list)]
                lines[top.end_lineno : top.end_lineno] = [
                    f"{name} = {decorator}({name})" for decorator in decorators if "cache" not in decorator
                ]
                del lines[node.decorator_list[0].lineno - 1 : node.lineno - 1]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def by_mutmut(modules, folder):
    """Run mutmut. Returns {module: {name of a mutant: its fate}} and the differences of the survivors."""
    from mutmut.stats import status_by_exit_code

    for module in modules:
        undecorate(folder / path(module))
    done = command("mutmut", "run", "--max-children", "1", folder=folder)
    assert done.returncode == 0, done.stdout[-5000:]
    fates = {}
    for module in modules:
        meta = (folder / "mutants" / f"{path(module)}.meta").read_text(encoding="utf-8")
        fates[module] = {name: status_by_exit_code[code] for name, code in json.loads(meta)["exit_code_by_key"].items()}
    left = [name for found in fates.values() for name, fate in found.items() if fate not in KILLED]
    return fates, [command("mutmut", "show", name, folder=folder).stdout for name in left]


def run(scale=1.0):
    """Test all modules, or this share of them. Returns lines for the record."""
    modules, begin = list(TESTS)[: max(1, round(scale * len(TESTS)))], time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        copy(Path(folder), modules)
        changes, survivors = by_hand(modules, Path(folder))
        fates, differences = by_mutmut(modules, Path(folder))
    SURVIVORS.parent.mkdir(exist_ok=True)
    SURVIVORS.write_text("\n".join([*survivors, *differences]), encoding="utf-8")

    lines, total, killed = [], 0, 0
    for module, found in fates.items():
        count = Counter(found.values())
        dead = sum(count[fate] for fate in KILLED)
        lines.append(f"`{path(module)}`: {dead} of {len(found)} killed, {count['timeout']} of them by timeout.")
        total, killed = total + len(found), killed + dead
    mutmut = f"mutmut {importlib.metadata.version('mutmut')}, {(time.perf_counter() - begin) / 60:.0f} minutes"
    score = f"{killed:,} of {total:,} mutants killed ({killed / total:.1%}); {total - killed} survive"
    lines.insert(0, f"`make mutation` with {mutmut}: {score}, see [mutants.md](mutants.md).")
    lines.append(f"Changes by hand that mutmut does not make: {changes - len(survivors)} of {changes} killed.")
    return lines

"""The long fuzzing run, from the repository's root: python -m tests.torture.fuzz [--scale 1.0] [--target NAME]

Atheris (libFuzzer) tests each function in a process of its own and prefers inputs that reach new lines of the code.
../fuzzing builds an input, with every choice derived from the fuzzer's bytes. For read_idx and read_picture, half of
the inputs are the bytes themselves, mutated from valid files. A fault does not end the run: one input for each kind of
fault is saved in torture-faults/, to be moved into tests/corpus.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import traceback
import zlib
from pathlib import Path

INPUTS = {
    "read_idx": 1_000_000,
    "load_split": 100_000,
    "load_weights": 100_000,
    "read_picture": 100_000,
    "to_mnist": 100_000,
    "read_numbers": 5_000,
    "read_pictures": 20_000,
}
INSTRUMENTED = ["mnist_cnn", "PIL"]
# Seconds; MB of the process, in which atheris keeps 200 MB more each minute; bytes. What a call takes is checked in it.
LIMITS = ["-timeout=60", "-rss_limit_mb=12000", "-max_len=2048", "-len_control=0"]
FAULTS = Path("torture-faults")


def run(scale=1.0, targets=tuple(INPUTS)):
    """Fuzz each function. Yields the results, one line for each."""
    for name in targets:
        yield line(name, **fuzzed(name, max(1, round(INPUTS[name] * scale))))


def line(name, inputs=0, accepted=0, seconds=0.0, slowest=0.0, megabytes=0, edges="?", faults=(), stopped=""):
    """One result as a line of text."""
    found = "; ".join(faults) or "no fault"
    return (
        f"`{name}`: {inputs:,} inputs, {accepted:,} of them accepted, in {seconds:.0f} s; the slowest call took "
        f"{slowest:.2f} s, the largest {megabytes:,} MB; {edges} edges covered; {found}"
        f"{stopped and f'; STOPPED EARLY: {stopped}'}"
    )


def fuzzed(name, inputs):
    """Fuzz one function in a process of its own. Returns the arguments of `line`."""
    ramdisk = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=ramdisk) as folder:
        options = f"-m tests.torture.fuzz --target {name} --inputs {inputs} --in".split()
        done = subprocess.run(
            [sys.executable, *options, folder],
            capture_output=True,
            text=True,
            errors="replace",
            env=dict(os.environ, OMP_NUM_THREADS="1"),
        )
        figures = Path(folder, "figures.json")
        result = json.loads(figures.read_text()) if figures.exists() else {}
        result["edges"] = (re.findall(r"cov: (\d+)", done.stderr) or ["?"])[-1]
        if done.returncode:
            kept = keep_files(name, Path(folder, "now"))
            result["stopped"] = f"exit status {done.returncode}, its input is in {kept}: {done.stderr.strip()[-300:]}"
    return result


def keep_files(name, folder):
    """Save the files that the process left when it died. Returns their folder."""
    kept = FAULTS / f"{name}-stopped"
    kept.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*"):  # none if the process died before it made the folder
        if file.is_file():
            (kept / file.name).write_bytes(file.read_bytes())
    return kept


def fuzz(name, inputs, folder):
    """Fuzz one function, write the figures to folder/figures.json, and end this process."""
    import atheris
    import hypothesis  # noqa: F401 - imported before atheris hooks imports: otherwise up to a minute
    import scipy.ndimage  # noqa: F401
    import torch  # noqa: F401

    with atheris.instrument_imports(include=INSTRUMENTED):
        from tests.fuzzing import TARGETS, common
    build, check = TARGETS[name]
    raw = name in ("read_idx", "read_picture")
    root, (now, seeds) = Path.cwd(), (folder / "now", folder / "seeds")
    now.mkdir(), seeds.mkdir()
    os.chdir(now)  # code in a pickle would create its marker here
    choices = random.Random(0)
    for number in range(200):
        seed = choices.randbytes(choices.randint(50, 1000)) + b"\0"
        if raw and number % 2:
            seed = build(common.Choices(choices.randint)) + b"\1"
        (seeds / str(number)).write_bytes(seed)
    faults, counts, start = {}, [0, 0], time.perf_counter()

    def finish():
        figures = {
            "inputs": sum(counts),
            "accepted": counts[True],
            "seconds": time.perf_counter() - start,
            "slowest": common.MOST["seconds"],
            "megabytes": common.MOST["bytes"] // 2**20,
            "faults": list(faults.values()),
        }
        (folder / "figures.json").write_text(json.dumps(figures))
        os._exit(0)

    def one_input(data):
        if raw and data and data[-1] % 2:  # the last byte decides: the others are the input or the choices
            case = data[:-1]
        else:
            case = build(common.Choices(atheris.FuzzedDataProvider(data).ConsumeIntInRange))
        try:
            counts[check(case, now)] += 1
        except Exception as error:
            counts[False] += 1
            place = traceback.extract_tb(error.__traceback__)[-1]
            kind = type(error), place.filename, place.lineno
            if kind not in faults:
                kept = root / FAULTS / f"{name}-{zlib.crc32(repr(kind).encode()):08x}"
                kept.parent.mkdir(exist_ok=True)
                common.save_case(case, kept)
                faults[kind] = f"{type(error).__name__}: {error} ({FAULTS / kept.name})"
        if sum(counts) == inputs:
            finish()

    atheris.Setup([sys.argv[0], *LIMITS, f"-artifact_prefix={now}/", str(seeds)], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="1: as many inputs as INPUTS says")
    parser.add_argument("--target", choices=INPUTS, action="append", help="only this function")
    parser.add_argument("--inputs", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--in", dest="folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder:
        fuzz(arguments.target[0], arguments.inputs, arguments.folder)
    for result in run(arguments.scale, arguments.target or tuple(INPUTS)):
        print(result, flush=True)

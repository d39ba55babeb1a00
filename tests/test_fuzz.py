"""A small part of the fuzzing, always the same part, and every input that once found something. See fuzz.py."""

import contextlib
import pickle
from collections import Counter

import fuzz
import numpy as np
import pytest
import torch
from conftest import ROOT
from fuzz import CODE, MARKER, TARGETS, UNDAMAGED
from hypothesis import HealthCheck, given, settings

CORPUS = sorted((ROOT / "tests" / "corpus").glob("*/*"))
pytestmark = pytest.mark.filterwarnings("ignore")  # torch's and Pillow's, on odd inputs
INPUTS = {"read_idx": 300, "load_split": 200, "load_weights": 150, "read_picture": 300, "to_mnist": 200}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder, which is the current one: there code in a pickle would leave its marker."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", TARGETS)
def test_nearly_valid_inputs_are_read_right_or_refused(name, folder):
    build, check = TARGETS[name]
    read = Counter()

    @settings(
        max_examples=INPUTS[name],
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(fuzz.strategy(build))
    def checked(case):
        read[check(case, folder)] += 1

    checked()
    assert min(read[True], read[False]) > INPUTS[name] / 50, f"the inputs are all of one kind: {read}"


@pytest.mark.parametrize("path", CORPUS, ids=[f"{path.parent.name}-{path.stem}" for path in CORPUS])
def test_what_once_found_something_is_read_right_or_refused(path, folder):
    TARGETS[path.parent.name][1](fuzz.load_case(path), folder)


def test_the_corpus_is_there_and_small():
    assert CORPUS
    assert sum(file.stat().st_size for path in CORPUS for file in (path, *path.glob("*"))) < 200_000


@pytest.mark.parametrize("number", range(len(CODE)))
def test_code_in_a_pickle_runs_nothing(number, folder):
    code = CODE[number]
    with contextlib.suppress(Exception):
        pickle.loads(pickle.dumps(code))
    assert MARKER.exists(), "this code would do nothing anyway"
    MARKER.rmdir() if MARKER.is_dir() else MARKER.unlink()
    for thing in (code, {**UNDAMAGED, "layers.0.bias": code}, {**UNDAMAGED, code: torch.ones(1)}):
        for data in (pickle.dumps(thing), fuzz.saved(thing), fuzz.saved(thing, _use_new_zipfile_serialization=False)):
            assert not fuzz.check_load_weights(data, folder)


def test_the_checks_find_faults(folder, monkeypatch):
    data = fuzz.idx_file(fuzz.Choices(lambda low, high: low), shape=[2, 3])
    assert fuzz.check_read_idx(data, folder)

    def missing(path):
        raise KeyError(path)

    for fault in (missing, lambda path: np.ones((2, 3), np.uint8), lambda path: np.zeros((3, 2), np.uint8)):
        monkeypatch.setattr(fuzz, "read_idx", fault)
        with pytest.raises((AssertionError, KeyError)):
            fuzz.check_read_idx(data, folder)


def test_the_checks_measure_memory(folder):
    if fuzz.peak_memory() == 0:
        pytest.skip("this system does not say how much memory a process takes")
    _, _, memory = fuzz.attempt(lambda: np.ones(2**24), documented=())
    assert memory > 100 * 2**20
    with pytest.raises(AssertionError, match="MB"):
        fuzz.check_memory(memory, 0)

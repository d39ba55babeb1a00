"""A small, fixed part of the fuzzing, and every input that once revealed a fault. See fuzzing/."""

import contextlib
import pickle
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings

from tests.fuzzing import TARGETS, common, data
from tests.fuzzing.weights import CODE, MARKER, UNDAMAGED, check_load_weights, saved
from tests.helpers import ROOT

CORPUS = sorted((ROOT / "tests" / "corpus").glob("*/*"))
pytestmark = pytest.mark.filterwarnings("ignore")  # torch and Pillow warn about unusual inputs
INPUTS = {
    "read_idx": 300,
    "load_split": 200,
    "load_weights": 150,
    "read_picture": 300,
    "to_mnist": 200,
    "read_numbers": 50,
    "read_pictures": 100,
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder. It is the current folder, where code in a pickle would create its marker."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", TARGETS)
def test_nearly_valid_inputs_give_the_right_result_or_are_refused(name, folder):
    build, check = TARGETS[name]
    accepted = Counter()

    @settings(
        max_examples=INPUTS[name],
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(common.strategy(build))
    def checked(case):
        accepted[check(case, folder)] += 1

    checked()
    assert min(accepted[True], accepted[False]) > INPUTS[name] / 50, f"nearly all inputs are of one kind: {accepted}"


@pytest.mark.parametrize("path", CORPUS, ids=[f"{path.parent.name}-{path.stem}" for path in CORPUS])
def test_inputs_that_once_revealed_a_fault_give_the_right_result_or_are_refused(path, folder):
    _, check = TARGETS[path.parent.name]
    check(common.load_case(path), folder)


def test_the_corpus_exists_and_is_small():
    assert CORPUS
    assert sum(file.stat().st_size for path in CORPUS for file in (path, *path.glob("*"))) < 200_000


@pytest.mark.parametrize("number", range(len(CODE)))
def test_code_in_a_pickle_does_not_run(number, folder):
    code = CODE[number]
    with contextlib.suppress(Exception):
        pickle.loads(pickle.dumps(code))
    assert MARKER.exists(), "the code has no effect, so this test would show nothing"
    MARKER.rmdir() if MARKER.is_dir() else MARKER.unlink()
    for thing in (code, {**UNDAMAGED, "layers.0.bias": code}, {**UNDAMAGED, code: torch.ones(1)}):
        for file in (pickle.dumps(thing), saved(thing), saved(thing, _use_new_zipfile_serialization=False)):
            assert not check_load_weights(file, folder)


def test_the_checks_detect_faults(folder, monkeypatch):
    file = data.idx_file(common.Choices(lambda low, high: low), shape=[2, 3])
    assert data.check_read_idx(file, folder)

    def fails(path):
        raise KeyError(path)

    for fault in (fails, lambda path: np.ones((2, 3), np.uint8), lambda path: np.zeros((3, 2), np.uint8)):
        monkeypatch.setattr(data, "read_idx", fault)
        with pytest.raises((AssertionError, KeyError)):
            data.check_read_idx(file, folder)


def test_the_checks_measure_memory(folder):
    if common.peak_memory() == 0:
        pytest.skip("this system does not report the memory of a process")
    _, _, memory = common.attempt(lambda: np.ones(2**24), documented=())
    assert memory > 100 * 2**20
    with pytest.raises(AssertionError, match="MB"):
        common.check_memory(memory, 0)

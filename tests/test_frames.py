"""Circles and boxes around digits are removed, also boxes that the digits touch."""

import numpy as np
import pytest

from mnist_cnn.handwriting.frames import without_frames


def test_frames_are_removed_but_not_the_loop_of_a_digit():
    mask = np.zeros((60, 60), bool)
    mask[5:55, 5:55] = True
    mask[8:52, 8:52] = False  # a box
    mask[20:40, 25:30] = True
    assert not without_frames(mask)[5:8].any() and without_frames(mask)[20:40, 25:30].all()
    mask[20:40, 25:30] = False
    assert without_frames(mask).sum() == mask.sum()


@pytest.mark.parametrize("gap", [0, 40])
def test_only_what_encloses_a_piece_is_a_frame(gap):
    y, x = np.mgrid[:100, :100] - 50
    around = (np.abs(np.hypot(y, x) - 35) < 4) & ~((np.abs(y) < gap / 2) & (x < 0))
    inside = (np.abs(y) < 14) & (np.abs(x) < 4)
    assert np.array_equal(without_frames(around | inside), inside if gap == 0 else around | inside)


def test_the_box_that_a_digit_touches_is_removed_but_not_the_strokes_that_cross_it():
    mask = np.zeros((100, 90), bool)
    mask[10:90, 10:80] = True
    mask[13:87, 13:77] = False
    box = mask.copy()
    mask[20:96, 40:46] = True  # a 1 that crosses the lower side
    rest = without_frames(mask)
    assert rest[20:96, 40:46].all() and (rest & box).sum() < 0.1 * box.sum()


def test_digits_are_no_boxes(test_split):
    for image in test_split[0][:500, 0].numpy():
        mask = image > 100
        assert np.array_equal(without_frames(mask), mask)

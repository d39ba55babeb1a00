"""Connected pieces of ink, and the lines of text that they stand in."""

import numpy as np
import pytest

from mnist_cnn.handwriting.pieces import Piece, find_pieces, is_slight, text_lines


def test_the_parts_of_a_broken_digit_stand_in_one_line():
    mask = np.zeros((100, 240), bool)
    for left in (10, 160):
        mask[20:80, left : left + 40] = True
    mask[20:46, 110:145], mask[50:80, 80:120] = True, True  # a 5 whose bar is apart
    assert [len(line) for line in text_lines(*find_pieces(mask.astype(np.float32), mask))] == [4]


@pytest.mark.parametrize("crack, lines", [(2, 1), (12, 2)])
def test_parts_one_above_the_other_are_one_digit_if_only_a_crack_is_between_them(crack, lines):
    mask = np.zeros((100, 80), bool)
    mask[50:90, 20:50] = True
    mask[50 - crack - 30 : 50 - crack, 35:65] = True  # nearly as high: of two lines of text, or the bar of a 5
    pieces, height = find_pieces(mask.astype(np.float32), mask)
    assert len(text_lines(pieces, height)) == lines


def test_lines_of_text_that_slope():
    mask = np.zeros((200, 400), bool)
    for k in range(8):
        for row in (10, 80):
            top = row + 6 * k
            mask[top : top + 40, 10 + 45 * k : 30 + 45 * k] = True
    pieces, height = find_pieces(mask.astype(np.float32), mask)
    lines = text_lines(pieces, height)
    assert height == 40
    assert [len(line) for line in lines] == [8, 8]
    assert all(line[k].left < line[k + 1].left for line in lines for k in range(7))


def test_pieces_much_thinner_than_the_pen_are_left_out_however_large_a_blot_is():
    mask = np.zeros((300, 300), bool)
    for k in range(4):
        mask[60 + 60 * k : 100 + 60 * k, 100:108] = True  # ones
    mask[60:66, 140:170] = True  # a bar
    for row in range(0, 300, 30):
        mask[row : row + 20, 20 + row // 20 : 22 + row // 20] = True  # dashes of a margin that slopes
    y, x = np.mgrid[:300, :300]
    blot = np.hypot(y - 200, x - 230) < 50
    for more in (False, blot):
        assert len(find_pieces(np.float32(mask | more), mask | more)[0]) == 5  # the blot is no stroke either
    for alone in (mask[:, :50], blot):
        assert find_pieces(np.float32(alone), alone)[0]


def test_a_dash_does_not_give_the_height_of_digits_that_the_frame_cuts():
    mask = np.zeros((60, 200), bool)
    for left in (20, 60, 140):
        mask[:50, left : left + 8] = True
    mask[25:30, 95:115] = True
    assert find_pieces(np.float32(mask), mask)[1] == 50


def test_low_pieces_belong_to_a_line_of_text_only_if_they_do_not_make_it_higher():
    mask = np.zeros((140, 200), bool)
    for left in (20, 60, 100):
        mask[60:120, left : left + 20] = True
        mask[26:38, left : left + 12] = True  # print above
    mask[46:56, 60:90] = True  # the bar of a 5
    assert [len(line) for line in text_lines(*find_pieces(mask.astype(np.float32), mask))] == [4]


@pytest.mark.parametrize("rise, slight", [(0, True), (60, True), (300, False)])
def test_an_underline_is_slight_unless_it_is_steep(rise, slight):
    line = np.zeros((rise + 6, 300), np.float32)
    for column in range(1, 299):  # the frame of a piece may be empty
        line[rise * column // 300 :, column][:5] = 1
    assert is_slight(Piece(0, 0, line), 60) == slight


def test_the_outline_of_a_sheet_is_no_stroke():
    mask = np.zeros((300, 300), bool)
    for k in range(8):
        mask[130:170, 60 + 25 * k : 67 + 25 * k] = True
    mask[20:280, 20:24] = mask[20:24, 20:280] = True  # two sides of it
    assert len(find_pieces(np.float32(mask), mask)[0]) == 8

"""Find the best way to read a line of text, as pieces of ink in a picture or as strokes of a pen.

Neighbouring parts are joined to candidates, which the network classifies. Each path through them is a reading. The best
one has the largest sum of scores (Matan et al. 1992, Multi-digit recognition using a space displacement neural network;
LeCun et al. 1998, section VII).
"""

import math
from itertools import pairwise

import numpy as np
import torch
from torch.nn import functional as F

from mnist_cnn.handwriting.reading import LOW, REFUSED, Digit
from mnist_cnn.model import judge_scores, predict, share_below

AT_ONCE = 250  # candidates, or cuts, that are classified together: more take more memory, but no less time
WIDE = 1.5  # a digit is at most so wide; in heights of a digit, as are all lengths here

HIGH = 1.1  # what is higher than this, or smaller than LOW, looks less like a digit of the line
MISFIT, WORST = 30.0, 0.3  # what the judge's score loses per height beyond these limits, up to WORST

# The score of a candidate, fitted to strings of training digits
DIGIT = 0.8  # for being a digit at all
PROBABILITY = 4.2  # per unit of the logarithm of the probability
DOUBT, TRUSTED = 0.7, 4.7  # per unit by which the judge's score falls short of TRUSTED
BROADER, BROAD, BROADEST = 5.0, 0.75, 1.1  # per height of a digit by which it is broader than BROAD, up to BROADEST
CUT = 0.4  # per unit of the logarithm of the probability of a cut, and of the best cut in it that is not made
GAP = 5.0  # per height of the gap between parts that are joined
SKIP = 12.0  # per height of a digit of ink that is left out
TORN = 0.5  # a digit is doubtful if it is cut from ink that is left out and so high
MARGIN = 1.0  # a digit is doubtful if the best path that does not read it there is worse by less than this


def spans(boxes, height):
    """Neighbouring parts that together are no broader than a digit: (start, stop). boxes: left, top, right, bottom."""
    for start in range(len(boxes)):
        for stop in range(start + 1, len(boxes) + 1):
            if stop > start + 1 and _breadth(around(boxes[start:stop]), height) > WIDE:
                break
            yield start, stop


def around(boxes):
    """The box around boxes."""
    left, top, right, bottom = zip(*boxes, strict=True)
    return min(left), min(top), max(right), max(bottom)


def _breadth(box, height):
    """The width of a box, in heights of a digit, or in its own if it is higher: the line's may be one of parts only."""
    left, top, right, bottom = box
    return (right - left) / max(height, bottom - top)


def classify(model, candidates, height):
    """Classify candidates, {(start, stop): (box, image, cut_off)}. Returns {(start, stop): Digit}."""
    if not candidates:
        return {}
    images = torch.stack([image for _, image, _ in candidates.values()])
    labels, probabilities = predict(model, images, AT_ONCE)
    misfits = torch.tensor([_misfit(box, height) for box, _, _ in candidates.values()])
    scores = judge_scores(model, images, AT_ONCE) - MISFIT * misfits
    typical = share_below(model, scores)
    certain = PROBABILITY * probabilities.amax(1).clamp(min=1e-4).log() - DOUBT * F.softplus(TRUSTED - scores)
    answers = {}
    for k, (span, (box, image, cut_off)) in enumerate(candidates.items()):
        broad = min(max(BROAD, _breadth(box, height)), BROADEST) - BROAD
        score = DIGIT + certain[k].item() - BROADER * broad
        answers[span] = Digit(labels[k].item(), box, image, probabilities[k], typical[k].item(), cut_off, score)
    return answers


def _misfit(box, height):
    """By how much a candidate is smaller or higher than its line's digits: an accent, a parenthesis, a long line."""
    left, top, right, bottom = box
    high, wide = (bottom - top) / height, (right - left) / height
    return min(max(0.0, LOW - max(high, wide / WIDE), high - HIGH), WORST)  # a broad digit may be low


def span_scores(boxes, cuts, answers, height):
    """The scores of all spans of parts, sorted by their ends: {(start, stop): (if left out, if read)}.

    boxes: of the parts of the line, in order; cuts: for each, the logarithm of the odds of the cut before it, or None;
    answers: as from `classify`.
    """
    cuts, scores = [*cuts, None], {}
    all_spans = {*answers, *((part, part + 1) for part in range(len(boxes)))}
    for start, stop in sorted(all_spans, key=lambda span: (span[1], -span[0])):
        surprise = CUT * _surprise(cuts[start : stop + 1])
        _, top, _, bottom = around(boxes[start:stop])
        worth = answers[start, stop].score if (start, stop) in answers else -math.inf
        gap = max((right[0] - left[2] for left, right in pairwise(boxes[start:stop])), default=0)
        scores[start, stop] = -SKIP * (bottom - top) / height - surprise, worth - surprise - GAP * max(0, gap) / height
    return scores


def _surprise(cuts):
    """How unlikely it is that the first and the last of these cuts separate digits, and those between them do not."""
    made = [np.logaddexp(0, -cut) for cut in (cuts[0], cuts[-1]) if cut is not None]
    inside = max((cut for cut in cuts[1:-1] if cut is not None), default=-math.inf)
    return sum(made) + np.logaddexp(0, inside)


def best_path(scores):
    """The path with the largest sum of scores: the sum, and its spans (start, stop, whether it is read)."""
    best = {0: (0.0, [])}  # of the parts before each place
    for (start, stop), worths in scores.items():
        before, path = best[start]
        for worth, is_read in zip(worths, (False, True), strict=True):
            if stop not in best or before + worth > best[stop][0]:
                best[stop] = before + worth, [*path, (start, stop, is_read)]
    return best[max(best)]


def read_path(boxes, cuts, answers, height):
    """The best path: the sum of its scores, its digits, and what it leaves out, a Digit for each span.

    Digits are `rivalled` if a path without them there is nearly as good, or if they are cut from ink that is left out.
    boxes, cuts, answers: as for `span_scores`.
    """
    scores = span_scores(boxes, cuts, answers, height)
    score, path = best_path(scores)
    torn, ends = set(), [*cuts, None]  # the cuts beside what is left out; all cuts
    for start, stop, is_read in path:
        _, top, _, bottom = around(boxes[start:stop])
        refused = not is_read or answers[start, stop].typicality < REFUSED
        if refused and bottom - top > TORN * height:
            torn |= {place for place in (start, stop) if ends[place] is not None}
    digits = []
    for start, stop in (span for *span, is_read in path if is_read):
        digit = answers[start, stop]
        others = dict(scores)
        for (first, last), answer in answers.items():
            # A cut beside the best one, after which the same digit is read, is no other reading.
            if answer.label == digit.label and first < stop and start < last:
                others[first, last] = scores[first, last][0], -math.inf
        second, _ = best_path(others)
        digits.append(digit._replace(rivalled=bool(torn & {start, stop}) or bool(score - second < MARGIN)))
    return score, digits, left_out(path, answers)


def left_out(path, answers):
    """Return a Digit for each span that a path leaves out."""
    return [answers[start, stop] for start, stop, is_read in path if not is_read and (start, stop) in answers]

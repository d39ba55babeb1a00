"""Whether a training learns anything, judged by its loss and by its predictions."""

import math

import pytest
import torch

from mnist_cnn.training import beats_guessing, check_loss

HALVES = torch.tensor([3, 5] * 50)  # guessing costs ln 2 = 0.6931
THREE = torch.tensor([0, 0, 1, 2] * 25)  # and here (ln 2) / 2 + (ln 4) / 2 = 1.0397


def scheduler(steps, lr=0.01, schedule=lambda step: 1.0):
    """A scheduler after so many steps."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule)
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
    return scheduler


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_the_training_at_once(loss):
    with pytest.raises(FloatingPointError, match=rf"the loss is {loss} after 3 steps: lower LEARNING_RATE, now 0\.25"):
        check_loss(loss, HALVES, scheduler(3, 0.25))


@pytest.mark.parametrize("labels, guessing", [(HALVES, math.log(2)), (THREE, 1.5 * math.log(2))])
def test_the_loss_must_be_5_percent_below_that_of_guessing(labels, guessing):
    check_loss(0.949 * guessing, labels, scheduler(120))
    with pytest.raises(RuntimeError, match="nothing is learned: after 120 steps") as caught:
        check_loss(0.951 * guessing, labels, scheduler(120))
    message = str(caught.value)
    assert f"the loss is {0.951 * guessing:.4f}, that of guessing {guessing:.4f}. LEARNING_RATE, now" in message
    assert "check that the labels belong to the images" in message


@pytest.mark.parametrize("smoothing", [0.1, 0.9])
def test_the_limit_lies_between_guessing_and_perfection_for_smoothed_labels(smoothing):
    """Labels 0 and 1, 95% and 5%. Perfect answers cost the entropy of one label that is smoothed."""
    labels = torch.tensor([0] * 95 + [1] * 5)
    entropy = lambda share: -share * math.log(share) - (1 - share) * math.log(1 - share)
    perfection, guessing = entropy(smoothing / 2), entropy((1 - smoothing) * 0.05 + smoothing / 2)
    check_loss(perfection, labels, scheduler(120), smoothing)
    check_loss(guessing - 0.051 * (guessing - perfection), labels, scheduler(120), smoothing)
    with pytest.raises(RuntimeError, match="nothing is learned"):
        check_loss(guessing - 0.049 * (guessing - perfection), labels, scheduler(120), smoothing)


@pytest.mark.parametrize(
    "steps, lr, schedule, judged",
    [
        (99, 0.01, lambda step: 1.0, False),  # too early
        (100, 0.01, lambda step: 1.0, True),
        (150, 0.0006, lambda step: 1.0, False),  # the rates add up to 0.09: the weights cannot have moved enough
        (150, 0.0008, lambda step: 1.0, True),  # to 0.12
        (100, 0.002, lambda step: 0.0 if step == 0 else 0.5, False),  # to 0.099: the schedule counts
        (100, 0.002, lambda step: 1.0 if step == 0 else 0.6, True),  # to 0.1208
        (150, 0.0006, lambda step: float(step < 150), True),  # too little, but the training is over
        (99, 0.0006, lambda step: float(step < 99), False),  # over, but too short to judge
    ],
)
def test_the_loss_is_judged_after_100_steps_that_can_have_moved_the_weights(steps, lr, schedule, judged):
    if judged:
        with pytest.raises(RuntimeError, match="nothing is learned"):
            check_loss(0.7, HALVES, scheduler(steps, lr, schedule))
    else:
        check_loss(0.7, HALVES, scheduler(steps, lr, schedule))


@pytest.mark.parametrize(
    "counts, right, better",
    [
        ([10] * 10, 14, False),  # guessing is right in 10 of 100; the twentieth of the other 90 is 4.5
        ([10] * 10, 15, True),
        ([60, 40], 61, False),  # 60 and 2
        ([60, 40], 63, True),
        ([97, 3], 97, False),
        ([100], 100, False),  # one class alone cannot be beaten
    ],
)
def test_predictions_must_be_clearly_better_than_the_most_frequent_class(counts, right, better):
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    predicted = labels.clone()
    predicted[right:] += 1
    assert beats_guessing(predicted, labels) is better

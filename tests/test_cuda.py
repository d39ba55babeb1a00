import copy

import pytest
import torch
from torch import nn

from mnist_cnn import cuda

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def test_a_graph_learns_what_the_function_learns():
    torch.manual_seed(0)
    networks = [nn.Sequential(nn.Flatten(), nn.Linear(16, 4)).cuda()]
    networks.append(copy.deepcopy(networks[0]))
    digits, answers = torch.rand(10, 8, 1, 4, 4).cuda(), torch.randint(4, (10, 8)).cuda()

    def learner(network):
        rate = torch.tensor(0.1, device="cuda")
        optimizer = torch.optim.AdamW(network.parameters(), rate, fused=True, capturable=True)

        def learn(batch, labels):
            loss = nn.functional.cross_entropy(network(batch), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.detach()

        return rate, learn

    (rate, learn), (graph_rate, graph_learn) = map(learner, networks)
    graph_learn = cuda.Graphed(graph_learn)
    for step, (batch, labels) in enumerate(zip(digits, answers)):
        for tensor in (rate, graph_rate):
            tensor.fill_(0.1 / (1 + step))  # what was recorded reads it anew
        torch.testing.assert_close(graph_learn(batch, labels), learn(batch, labels))
    for weights, graph_weights in zip(*(network.parameters() for network in networks)):
        torch.testing.assert_close(graph_weights, weights)

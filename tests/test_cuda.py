import pytest
import torch
from torch.nn import functional as F

from mnist_cnn.model import MNIST_CNN
from mnist_cnn.training import CudaGraph, MuonWithAdamW

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def test_a_graph_learns_what_the_function_learns():
    generator = torch.Generator("cuda").manual_seed(0)
    digits = torch.rand(10, 32, 1, 28, 28, device="cuda", generator=generator)
    answers = torch.randint(10, (10, 32), device="cuda", generator=generator)

    def losses(wrap):
        torch.manual_seed(0)
        model = MNIST_CNN().cuda()
        rate = torch.tensor(1e-2, device="cuda")
        optimizer = MuonWithAdamW(model.parameters(), rate, fused=True, capturable=True)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))

        def learn(batch, labels):
            loss = F.cross_entropy(model(batch), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.detach()

        learn = wrap(learn)
        for batch, labels in zip(digits, answers):
            yield learn(batch, labels).item()
            scheduler.step()

    assert list(losses(CudaGraph)) == pytest.approx(list(losses(lambda learn: learn)), rel=1e-2)

import torch

from course_lib import networks


def test_convnet_shapes_and_gradients():
    net = networks.ConvNet(7, width=16)
    x = torch.rand(3, 1, 28, 28)
    assert net.features(x).shape == (3, 16) and net(x).shape == (3, 7)
    net(x).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for n, p in net.named_parameters() if n.endswith("weight"))
    assert sum(isinstance(m, torch.nn.Conv2d) for m in net.modules()) == 4

# SPDX-License-Identifier: Apache-2.0
"""The three models of the step-time table, and random batches for them. Parameters alone matter here, and the time
of a gradient: nothing is learnt."""
import torch
from torch import nn


def perceptron():
    return nn.Sequential(nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10))


class Residual(nn.Module):
    """Two convolutions around a shortcut that subsamples and pads with zeros, as for CIFAR in He et al. 2016."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.stride, self.more = stride, outputs - inputs
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        short = x[:, :, ::self.stride, ::self.stride]
        return torch.relu(self.body(x) + nn.functional.pad(short, (0, 0, 0, 0, 0, self.more)))


def resnet20():
    layers = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    width = 16
    for outputs in (16, 32, 64):
        for block in range(3):
            layers.append(Residual(width, outputs, 2 if outputs != width and block == 0 else 1))
            width = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


class Gpt(nn.Module):
    """A decoder over 256 characters: 12 layers of width 256, 9.6 million parameters."""

    CONTEXT = 64

    def __init__(self, width=256, layers=12, heads=8):
        super().__init__()
        self.token = nn.Embedding(256, width)
        self.place = nn.Embedding(self.CONTEXT, width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True,
                                       norm_first=True) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, 256, bias=False)

    def forward(self, x):
        length = x.shape[1]
        mask = torch.triu(torch.full((length, length), float("-inf")), diagonal=1)
        h = self.token(x) + self.place(torch.arange(length))
        for layer in self.layers:
            h = layer(h, src_mask=mask)
        return self.out(self.norm(h)).transpose(1, 2)


MODELS = {"perceptron": perceptron, "resnet20": resnet20, "gpt": Gpt}


def batch(name, size, generator):
    if name == "gpt":
        text = torch.randint(256, (size, Gpt.CONTEXT + 1), generator=generator)
        return text[:, :-1], text[:, 1:]
    shape = (784,) if name == "perceptron" else (3, 32, 32)
    return torch.randn(size, *shape, generator=generator), torch.randint(10, (size,), generator=generator)


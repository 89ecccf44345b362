# SPDX-License-Identifier: Apache-2.0
"""Parameters of the models of models.py, as `laconic plan --tensors` wants them; needs no PyTorch."""


def perceptron():
    return "1024x784,1024,1024x1024,1024,10x1024,10"


def resnet20():
    def convolution(inputs, outputs):
        return [f"{outputs}x{inputs}x3x3", f"2*{outputs}"]

    out = convolution(3, 16)
    for inputs, outputs in ((16, 16), (16, 32), (32, 64)):
        out += convolution(inputs, outputs) + 5 * convolution(outputs, outputs)
    return ",".join(out + ["10x64", "10"])


def gpt(width=256, layers=12):
    block = [f"{3 * width}x{width}", f"{3 * width}", f"{width}x{width}", f"{width}", f"{4 * width}x{width}",
             f"{4 * width}", f"{width}x{4 * width}", f"5*{width}"]
    return ",".join([f"256x{width}", f"64x{width}"] + layers * block + [f"2*{width}", f"256x{width}"])


SHAPES = {"perceptron": perceptron, "resnet20": resnet20, "gpt": gpt}

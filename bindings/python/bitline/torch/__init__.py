"""PyTorch models on simulated crossbars, without leaving PyTorch.

`convert` replaces the Linear, Conv1d and Conv2d layers of any model by crossbar layers. In ``train()`` these are
hardware-aware, with straight-through gradients; in ``eval()`` each is the simulation of a chip.

>>> import torch, bitline.torch as bt
>>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3))
>>> analog = bt.convert(model, bl.Architecture.preset("default", device="pcm-nandakumar2019"), hardware="noise")
>>> bt.calibrate(analog, torch.rand(64, 8))
>>> analog.eval()(torch.rand(5, 8)).shape  # on a chip
torch.Size([5, 3])
>>> bt.age(analog, 86400)  # a day later
>>> print(bt.analog_summary(analog))
layer  kind    weights  arrays  w bit  in bit  gap
0      linear  16x8     1       8      8       -
2      linear  3x16     1       8      8       -
"""

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError("bitline.torch needs PyTorch: pip install bitline[torch]") from error

from ._export import to_network
from ._layers import CrossbarConv1d, CrossbarConv2d, CrossbarLayer, CrossbarLinear
from ._model import age, calibrate, convert, program, restore
from ._summary import AnalogSummary, analog_summary

__all__ = [
    "AnalogSummary",
    "CrossbarConv1d",
    "CrossbarConv2d",
    "CrossbarLayer",
    "CrossbarLinear",
    "age",
    "analog_summary",
    "calibrate",
    "convert",
    "program",
    "restore",
    "to_network",
]

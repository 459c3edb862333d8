"""Pictures of devices, chips and results (Matplotlib).

Every function draws into `ax`, or into axes of its own, and returns them; `ax.figure.savefig` writes PNG or SVG.
Colours are those of Okabe and Ito, which people with any colour vision tell apart.

>>> import matplotlib; matplotlib.use("agg")
>>> from bitline import plot
>>> ax = plot.drift(bl.Device("pcm-nandakumar2019"), [1, 60, 3600, 86400], bits=2)
>>> ax.get_xlabel()
'time since programming, s'
"""

try:
    import matplotlib as _matplotlib
except ImportError as error:
    raise ImportError("bitline.plot needs Matplotlib: pip install 'bitline[plot]'") from error

from .cells import conductances, levels
from .converters import codes, linearity, transfer
from .devices import drift, pulse_fit, pulses
from .networks import placement, quantizer
from .results import accuracy, accuracy_over, sqnr

__all__ = [
    "accuracy",
    "accuracy_over",
    "codes",
    "conductances",
    "drift",
    "levels",
    "linearity",
    "placement",
    "pulse_fit",
    "pulses",
    "quantizer",
    "sqnr",
    "transfer",
]

"""The one door to torchvision.

The package index serves a CPU build of torch and a torchvision built for CUDA; importing the latter then
fails because two compiled operators are missing. We use none of them, so declaring their signatures is
enough to make models, transforms and data sets work. Where the operators exist nothing is declared.
"""

import torch

_SCHEMAS = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_declared = []

try:
    import torchvision
except RuntimeError as error:
    if "torchvision::" not in str(error):
        raise
    import sys

    for _name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[_name]
    for _op, _schema in _SCHEMAS.items():
        torch.library.define(f"torchvision::{_op}", _schema)
        _declared.append(_op)
    import torchvision

# only importable after the lines above
from torchvision import datasets  # noqa: E402
from torchvision.models import efficientnet, mobilenetv3, squeezenet  # noqa: E402
from torchvision.ops.misc import Conv2dNormActivation  # noqa: E402

__all__ = ["Conv2dNormActivation", "datasets", "efficientnet", "mobilenetv3", "squeezenet", "torchvision"]

"""Small networks of the kinds that broke other people's compression tools, each with what is right of it.

The classes say what is special, what a correct tool must do, and where that kind of fault was met; `CASES` has them.
Images are 1 x 8 x 8 and there are 10 classes wherever possible, as in scikit-learn's digits, so that every case can be
trained, calibrated and evaluated on real data in milliseconds. "Equal" means within 1e-4 of the largest logit, and
errors in per cent are the largest difference of a logit, relative to the largest logit over a batch of `images`. Last
layers are centred and scaled so that their answers depend on the image.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm

from sample_models.vision import torchvision

SHAPE, CLASSES = (1, 8, 8), 10


@dataclass(frozen=True)
class Case:
    """A kind of network.

    `refusable` says where a refusal passes that names the operation: nowhere, for only operations that we list are in
    it; at the "door", before anything was done to it; or "anywhere". `named` is what such a refusal must say, or else
    the name of a node, of what it calls, or of its layer. `halved` are the settings of the class with every free width
    halved; `twinned` those of a network that computes the same in the plainest way, or what makes it of the case:
    whatever a technique makes of the case must answer like what it makes of the twin.
    """

    kind: type[nn.Module]
    refusable: Literal["nowhere", "door", "anywhere"]
    named: str
    halved: dict[str, Any] | None
    twinned: dict[str, Any] | Callable[[nn.Module], nn.Module] | None

    def build(self) -> nn.Module:
        """The network in evaluation mode, with the same weights every time."""
        return _make(self.kind)

    def half(self) -> int | None:
        """Parameters that are left at half of the channels (channel pruning 0.5, round_to 1), if that is known."""
        return None if self.halved is None else parameters_of(_make(self.kind, **self.halved))

    def twin(self) -> nn.Module | None:
        """The twin with the same weights, if there is one."""
        if self.twinned is None or callable(self.twinned):
            return self.twinned and self.twinned(self.build())
        other = _make(self.kind, **self.twinned)
        missing, _ = other.load_state_dict(self.build().state_dict(), strict=False)
        assert not missing, missing
        return other


CASES: dict[str, Case] = {}


def case(id, *, refusable="nowhere", named="", half=None, twin=None):
    """Enter a class in `CASES`."""

    def enter(kind):
        CASES[id] = Case(kind, refusable, named, half, twin)
        return kind

    return enter


def _make(kind, **settings):
    """A module with fixed weights, and batch norms that look trained."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(20)
        module = kind(**settings)
        for layer in module.modules():
            if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                _live(layer)
            elif isinstance(layer, nn.Conv2d | nn.Linear) and not parametrize.is_parametrized(layer):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")  # so that signals survive all layers
        if hasattr(module, "settle"):
            module.settle()
        _stretch(module.eval())
    return module


def _live(norm):
    """Statistics and scales as after training; one scale in eight is negative."""
    n = norm.num_features
    norm.running_mean.copy_(0.3 * torch.randn(n))
    norm.running_var.copy_(0.3 + 1.5 * torch.rand(n))
    norm.weight.copy_((0.5 + torch.rand(n)) * torch.where(torch.arange(n) % 8 == 5, -1.0, 1.0))
    norm.bias.copy_(0.3 * torch.randn(n))


def _stretch(module):
    """Centre and scale the last layer's answers to `images`, so that they depend on the image as after training."""

    def stretch(layer, given, answers):
        scale = answers.std(0).mean()
        if answers.isfinite().all() and scale > 1e-6:
            layer.weight.div_(scale)
            layer.bias.sub_(answers.mean(0)).div_(scale)

    heads = [part for part in module.modules() if isinstance(part, nn.Linear) and part.out_features in (CLASSES, 300)]
    handles = [layer.register_forward_hook(stretch) for layer in heads]
    module(images())
    for handle in handles:
        handle.remove()


def images(count=64, seed=3):
    """Two bright bars an image, N x 1 x 8 x 8 from 0 to 1: neither noise (which pooling evens out) nor real digits."""
    draw = torch.Generator().manual_seed(seed)
    start, size = (torch.randint(low, 7, (2, count, 2, 1), generator=draw) for low in (0, 1))
    inside = (torch.arange(8) >= start) & (torch.arange(8) < start + size)
    bright = 0.2 + 0.8 * torch.rand(count, 2, 1, 1, generator=draw)
    return (inside[0][..., :, None] * inside[1][..., None, :] * bright).amax(1, keepdim=True)


def rounded(module, bits):
    """A copy with each weight of Conv2d and Linear at its nearest code, one symmetric scale an output channel.

    The yardstick of quantization: nobody may lose twice of what this does.
    """
    module = copy.deepcopy(module)
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                scale = layer.weight.abs().flatten(1).amax(1).clamp(min=1e-30) / (2 ** (bits - 1) - 1)
                scale = scale.view(-1, *[1] * (layer.weight.ndim - 1))
                layer.weight.copy_((layer.weight / scale).round() * scale)
    return module


def parameters_of(module):
    return sum(parameter.numel() for parameter in module.parameters())


# --- what cases are made of ------------------------------------------------------------------------------------------


def _block(i, o, k=3, act=nn.ReLU, **settings):
    settings = {"padding": k // 2, "bias": False} | settings
    return nn.Sequential(nn.Conv2d(i, o, k, **settings), nn.BatchNorm2d(o), act())


class _Head(nn.Sequential):
    def __init__(self, channels, classes=CLASSES):
        super().__init__(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


# --- which channels go together ---------------------------------------------------------------------------------------


@case("C01", half={"c": 8})
class GroupedConv(nn.Module):
    """Grouped convolution pruned to widths that groups do not divide.

    Pruned to half, each convolution keeps 4 groups, in and out stay divisible by 4, ONNX is equal, parameters <=
    half(). From VainF/Torch-Pruning#9; jacobgil/pytorch-pruning#34.
    """

    def __init__(self, c=16):
        super().__init__()
        self.stem, self.mid = _block(1, c), _block(c, c, groups=4)
        self.out = nn.Conv2d(c, c * 3 // 2, 1, groups=4)
        self.head = _Head(c * 3 // 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.out(self.mid(self.stem(x)))))


@case("C02", half={"c": 6})
class TwoGroupings(nn.Module):
    """Two grouped convolutions with different numbers of groups read one map.

    Ties of 2 and of 3 groups hold at once: 12 channels go to 6 (never 4, 5, 8 or 9), both keep their groups; <=
    half(). From tianyic/only_train_once_personal_footprint#39.
    """

    def __init__(self, c=12):
        super().__init__()
        self.stem = _block(1, c)
        self.pairs, self.thirds = nn.Conv2d(c, c, 3, padding=1, groups=2), nn.Conv2d(c, c, 3, padding=1, groups=3)
        self.act = nn.ReLU()
        self.mix = nn.Conv2d(2 * c, c, 1)
        self.head = _Head(c)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(self.act(self.mix(self.act(torch.cat([self.pairs(x), self.thirds(x)], 1)))))


@case("C03", half={"c": 4})
class DepthwiseMultiplier(nn.Module):
    """Depthwise convolution with a multiplier of 2.

    Outputs 2i and 2i+1 go with input i; groups stay equal to inputs. Per-channel quantization has 16 scales there, not
    8. From openvinotoolkit/nncf#986; SonySemiconductorSolutions/mct-model-optimization#809.
    """

    def __init__(self, c=8):
        super().__init__()
        self.stem, self.wide = _block(1, c), _block(c, 2 * c, groups=c, act=nn.ReLU6)
        self.mix = _block(2 * c, c, 1)
        self.head = _Head(c)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.mix(self.wide(self.stem(x))))


@case("C04", half={"c": 4})
class OneChannel(nn.Module):
    """Layer with a single output channel taken for a depthwise one.

    The one-channel bottleneck stays, is not coupled to its input's channels, and all other widths halve: <= half().
    From VainF/Torch-Pruning#179.
    """

    def __init__(self, c=8):
        super().__init__()
        self.stem, self.narrow, self.widen = _block(1, c), _block(c, 1), _block(1, c)
        self.head = _Head(c)

    def settle(self):
        self.narrow[1].weight.fill_(1.5)
        self.narrow[1].bias.fill_(0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.widen(self.narrow(self.stem(x))))


@case("C05", half={"c": 4})
class SelfConcat(nn.Module):
    """A map concatenated with itself.

    Both copies of a channel go together: the reader has exactly twice the producer's width. Outputs still equal in
    ONNX. From VainF/Torch-Pruning#146.
    """

    def __init__(self, c=8):
        super().__init__()
        self.stem, self.read = _block(1, c), _block(2 * c, c)
        self.head = _Head(c)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(self.read(torch.cat([x, x], dim=1)))


@case("C06", half={"g": 2})
class DenseConcat(nn.Module):
    """Offsets in a concatenation, batch norm in front of the convolution.

    The image (never pruned) and three maps, not in the order they were made: channel i of each keeps its batch-norm
    entry and its column. The norm behind the concatenation is not folded away wrongly; ONNX equal before and after
    pruning. From VainF/Torch-Pruning#415, #73; liuzhuang13/slimming#3.
    """

    def __init__(self, g=4):
        super().__init__()
        self.a, self.b, self.c = _block(1, 2 * g), _block(2 * g, g), _block(3 * g, g, 1)
        self.norm, self.act = nn.BatchNorm2d(4 * g + 1), nn.ReLU()
        self.read = nn.Conv2d(4 * g + 1, 2 * g, 3, padding=1)
        self.head = _Head(2 * g)

    def forward(self, x: Tensor) -> Tensor:
        a = self.a(x)
        b = self.b(a)
        c = self.c(torch.cat([b, a], 1))
        return self.head(self.act(self.read(self.act(self.norm(torch.cat([c, x, a, b], 1))))))


@case("C08", half={"c": 4})
class SqueezeExcite(nn.Module):
    """Squeeze and excitation.

    The gate's outputs go with the map's channels, its hidden width alone; nothing of it is skipped: <= half(). From
    onnxsim/onnxsim#1163; tanluren/yolov3-channel-and-layer-pruning#111.
    """

    def __init__(self, c=8):
        super().__init__()
        self.stem, self.pool = _block(1, c, act=nn.Hardswish), nn.AdaptiveAvgPool2d(1)
        self.down, self.act, self.up, self.gate = (
            nn.Conv2d(c, c // 2, 1),
            nn.ReLU(),
            nn.Conv2d(c // 2, c, 1),
            nn.Hardsigmoid(),
        )
        self.read = _block(c, c)
        self.head = _Head(c)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(self.read(x * self.gate(self.up(self.act(self.down(self.pool(x)))))))


@case("C09", half={"c": 4})
class SpatialGate(nn.Module):
    """A one-channel mask multiplied onto all channels.

    The mask keeps its one channel and does not tie the others: these halve freely, <= half(). From
    VainF/Torch-Pruning#510.
    """

    def __init__(self, c=8):
        super().__init__()
        self.stem, self.mask, self.gate = _block(1, c), nn.Conv2d(c, 1, 3, padding=1), nn.Sigmoid()
        self.read = _block(c, c)
        self.head = _Head(c)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(self.read(self.gate(self.mask(x)) * x))


@case("C10", half={"c": 4})
class RecurrentConv(nn.Module):
    """One convolution called twice, a batch norm behind each call.

    Neither norm is folded into the common weights; these count and are stored once; both calls lose the same channels.
    From pytorch/pytorch#104593; openvinotoolkit/nncf#235; microsoft/onnxruntime#11530.
    """

    def __init__(self, c=8):
        super().__init__()
        self.stem, self.conv, self.act = _block(1, c), nn.Conv2d(c, c, 3, padding=1, bias=False), nn.ReLU()
        self.first, self.second = nn.BatchNorm2d(c), nn.BatchNorm2d(c)
        self.head = _Head(c)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.first(self.conv(self.stem(x))))
        return self.head(self.act(self.second(self.conv(x))))


@case("C11", half={"c": 4})
class OnePathNorm(nn.Module):
    """One convolution called twice, batch norm behind only one call.

    The call without norm keeps the unfolded weights: float ONNX equal to torch. From pytorch/pytorch#197539.
    """

    def __init__(self, c=8):
        super().__init__()
        self.stem, self.side, self.act = _block(1, c), _block(c, c, 1), nn.ReLU()
        self.conv, self.norm = nn.Conv2d(c, c, 3, padding=1), nn.BatchNorm2d(c)
        self.head = _Head(c)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(self.act(self.norm(self.conv(x)) + self.conv(self.side(x))))


@case("C12", half={"c": 4, "tied": False}, twin={"tied": False})
class TiedParameter(nn.Module):
    """Two layers own the very same parameter, each with its own batch norm.

    Folding scales the common tensor for neither or works on copies: float ONNX equal to torch. Quantized, both layers
    lie on their grids (no assertion), the parameter is counted once, and theoretical bytes are not below what the
    weights need. From microsoft/onnxruntime#21277; neuralmagic/sparseml#423; tensorflow/model-optimization#994.
    """

    def __init__(self, c=8, tied=True):
        super().__init__()
        self.stem, self.act = _block(1, c), nn.ReLU()
        self.a, self.b = (nn.Conv2d(c, c, 3, padding=1, bias=False) for _ in range(2))
        self.norm_a, self.norm_b = nn.BatchNorm2d(c), nn.BatchNorm2d(c)
        if tied:
            self.b.weight = self.a.weight
        self.head = _Head(c)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.norm_a(self.a(self.stem(x))))
        return self.head(self.act(self.norm_b(self.b(x))))


@case("C14", half={"c": 4})
class ThreeBranches(nn.Module):
    """Batch norm alone as a branch, summed with a 3x3 and a 1x1 branch.

    Norms behind the two convolutions fold, the identity's stays (or becomes a 1x1); all three branches lose the same
    channels. 8-bit weights err by at most twice what rounded(module, 8) does (2.6 %). From DingXiaoH/RepVGG#59, #85,
    #102.
    """

    def __init__(self, c=8):
        super().__init__()
        self.stem, self.act = _block(1, c), nn.ReLU()
        self.wide, self.wide_norm = nn.Conv2d(c, c, 3, padding=1, bias=False), nn.BatchNorm2d(c)
        self.thin, self.thin_norm = nn.Conv2d(c, c, 1, bias=False), nn.BatchNorm2d(c)
        self.identity = nn.BatchNorm2d(c)
        self.head = _Head(c)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(self.act(self.wide_norm(self.wide(x)) + self.thin_norm(self.thin(x)) + self.identity(x)))


# --- values that change behind the graph's back -----------------------------------------------------------------------


@case("C15", half={"c": 4}, twin={"overwrites": False})
class OverwrittenSkip(nn.Module):
    """In-place ReLU overwrites what the skip connection adds later.

    In torch the skip adds relu(x), not x. Float ONNX equals torch, not the out-of-place reading (680 % off). From
    rosinality/vq-vae-2-pytorch#60; pytorch/pytorch#89299; openvinotoolkit/nncf#1565.
    """

    def __init__(self, c=8, overwrites=True):
        super().__init__()
        self.overwrites = overwrites
        self.stem, self.norm = nn.Conv2d(1, c, 3, padding=1), nn.BatchNorm2d(c)
        self.first, self.second = nn.ReLU(inplace=overwrites), nn.ReLU(inplace=overwrites)
        self.a, self.b = nn.Conv2d(c, c, 3, padding=1), nn.Conv2d(c, c, 3, padding=1)
        self.head = _Head(c)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.stem(x))
        y = self.first(x)
        skip = x if self.overwrites else y
        return self.head(self.b(self.second(self.a(y))) + skip)


@case("C17", half={"c": 4, "dangles": False}, twin={"dangles": False})
class UnusedBranch(nn.Module):
    """A branch is computed and thrown away.

    Taylor and sensitivity pruning, Hessian-weighted sharing and second-order pruning run (no autograd error) and give
    what the twin without the branch gives; its weights take no bytes in the file and do not count as operations. From
    qualcomm/aimet#3192; NVIDIA/DIGITS#335.
    """

    def __init__(self, c=8, dangles=True):
        super().__init__()
        self.stem, self.body = _block(1, c), _block(c, c)
        self.head = _Head(c)
        self.aux = _Head(c) if dangles else None

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        if self.aux is not None:
            self.aux(x)
        return self.head(self.body(x))


@case("C18", refusable="anywhere", named="tensor|tuple|outputs")
class TwoOutputs(nn.Module):
    """An auxiliary head: the network returns (logits, aux).

    Refused at the door, saying that it returns two tensors, or the first is taken and said to be; never a raw
    AttributeError. From pytorch/vision#302; pytorch/tutorials#468.
    """

    def __init__(self, c=8):
        super().__init__()
        self.stem, self.body = _block(1, c), _block(c, c)
        self.head, self.aux = _Head(c), _Head(c)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.stem(x)
        return self.head(self.body(x)), self.aux(x)


@case("C19", refusable="door", named="dropout", half={"c": 4}, twin={"drops": False})
class AlwaysDropout(nn.Module):
    """Functional dropout that stays active in evaluation mode.

    Two evaluations of one image agree and equal the twin without dropout (or it is refused, named); calibration, fits
    and ONNX all see the same network. From pytorch/pytorch#26338; Coderx7/SimpleNet#2.
    """

    def __init__(self, c=8, drops=True):
        super().__init__()
        self.drops = drops
        self.stem, self.body = _block(1, c), _block(c, c)
        self.pool, self.flat, self.out = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.flat(self.pool(self.body(self.stem(x))))
        return self.out(functional.dropout(x, 0.5) if self.drops else x)


@case("C21", refusable="anywhere", named=r"\ba\b|weight.?norm|parametri", twin=lambda module: module.plain())
class WeightNormed(nn.Module):
    """Weight norm left on: the weight is recomputed at every call.

    The tool works on the effective weight: 80 % sparsity leaves 80 % zeros in the decoded file, codes lie on their
    grid, and all equals the twin with plain weights. Silently doing nothing fails. From apple/coremltools#1347;
    Tencent/ncnn#6224; jacobgil/pytorch-pruning#34.
    """

    def __init__(self, c=8):
        super().__init__()
        self.a, self.b = weight_norm(nn.Conv2d(1, c, 3, padding=1)), weight_norm(nn.Conv2d(c, c, 3, padding=1))
        self.act, self.head = nn.ReLU(), _Head(c)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.act(self.b(self.act(self.a(x)))))

    def plain(self):
        for layer in (self.a, self.b):
            parametrize.remove_parametrizations(layer, "weight")
        return self


@case("C23", half={"c": 4}, twin={"last": False})
class ChannelsLast(nn.Module):
    """Weights in channels_last memory order.

    Every technique, equalization above all, gives what it gives for the twin in the ordinary order; no view error, and
    the function after equalization alone is unchanged within 1e-4. From pytorch/pytorch#96743;
    neuralmagic/sparseml#1362.
    """

    def __init__(self, c=8, last=True):
        super().__init__()
        self.last = last
        self.a, self.b, self.c = (
            nn.Conv2d(1, c, 3, padding=1),
            nn.Conv2d(c, c, 3, padding=1),
            nn.Conv2d(c, c, 3, padding=1),
        )
        self.act, self.head = nn.ReLU(), _Head(c)

    def settle(self):
        self.b.weight.mul_(torch.logspace(-1, 1, len(self.b.weight))[:, None, None, None])  # something to equalize
        if self.last:
            self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.act(self.c(self.act(self.b(self.act(self.a(x)))))))


@case("C25", half={"c": 4})
class NameClash(nn.Module):
    """The network's own names collide with names that the tool adds.

    No layer is replaced: quantized and low-rank versions have all layers, and equal those of the same network with
    other names. From microsoft/onnxruntime#24705.
    """

    def __init__(self, c=8):
        super().__init__()
        self.quantizer_0 = nn.Conv2d(1, c, 3, padding=1)
        self.act = nn.ReLU()
        self.quantizer_1 = nn.Conv2d(c, c, 3, padding=1)
        self.quantizer_1_in = nn.Conv2d(c, c, 1)
        self.parts = nn.ModuleDict(
            {"3x3-größe": nn.Conv2d(c, c, 3, padding=1), "x": nn.ReLU(), "logits": nn.Conv2d(c, c, 1)}
        )
        self.head = _Head(c)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.quantizer_1_in(self.act(self.quantizer_1(self.act(self.quantizer_0(x))))))
        return self.head(self.parts["x"](self.parts["logits"](self.parts["x"](self.parts["3x3-größe"](x)))))


# --- batch norms, zeros and constants ---------------------------------------------------------------------------------


@case("C26", half={"c": 4})
class NormBehindActivation(nn.Module):
    """Batch norm behind the activation, in front of a padded convolution.

    It is not folded forward as if padding saw its shift (24 % off): float ONNX equal; int8 agrees with fake
    quantization. From microsoft/onnxruntime#9938; microsoft/onnxruntime-inference-examples#84.
    """

    def __init__(self, c=8):
        super().__init__()
        self.a, self.b, self.act = nn.Conv2d(1, c, 3, padding=1), nn.Conv2d(c, c, 3, padding=1), nn.ReLU()
        self.norm_a, self.norm_b = nn.BatchNorm2d(c), nn.BatchNorm2d(c)
        self.head = _Head(c)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm_b(self.act(self.b(self.norm_a(self.act(self.a(x)))))))


@case("C27", refusable="anywhere", named="norm", half={"hidden": 16})
class NormOfFeatures(nn.Module):
    """BatchNorm1d that no layer can take in (Linear, ReLU, BatchNorm1d).

    Exported as it is or folded into the next linear layer: ONNX equal, pruning cuts it, quantization goes around it.
    From pytorch/pytorch#41642, #37383.
    """

    def __init__(self, hidden=32):
        super().__init__()
        self.flat, self.a, self.act = nn.Flatten(), nn.Linear(64, hidden), nn.ReLU()
        self.norm, self.b = nn.BatchNorm1d(hidden), nn.Linear(hidden, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.norm(self.act(self.a(self.flat(x)))))


@case("C28", half={"c": 4})
class ZeroResidual(nn.Module):
    """Zero-initialised residual: a whole layer is zero after folding.

    Every bit width, mixed precision, sharing, low rank and separable give finite weights and no error (no division by
    zero), and the residual branch still adds exactly zero. From ml-explore/mlx#1028; Xilinx/brevitas#425;
    Eric-mingjie/rethinking-network-pruning#25.
    """

    def __init__(self, c=8):
        super().__init__()
        self.stem, self.a, self.act = _block(1, c), _block(c, c), nn.ReLU()
        self.b, self.norm = nn.Conv2d(c, c, 3, padding=1, bias=False), nn.BatchNorm2d(c)
        self.head = _Head(c)

    def settle(self):
        self.norm.weight.zero_()
        self.norm.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(self.act(self.norm(self.b(self.a(x))) + x))


@case("C30", half={"c": 4})
class DeadInputs(nn.Module):
    """Dead ReLU: half of the inputs of a layer are always zero.

    No Cholesky error, all scales finite and positive; GPTQ leaves the weights of dead inputs at their nearest codes
    instead of zero or infinity; 4 bits err by at most 1.5 times what rounded(module, 4) does (14 %). From
    pytorch/pytorch#39239; NVIDIA/Model-Optimizer#1265; Samsung/TICO#412; AutoGPTQ/AutoGPTQ#98.
    """

    def __init__(self, c=8):
        super().__init__()
        self.a, self.b, self.gone = (nn.Conv2d(i, c, 3, padding=1) for i in (1, c, c))
        self.act, self.head = nn.ReLU(), _Head(c)

    def settle(self):
        self.a.bias[: len(self.a.bias) // 2] = -100
        self.gone.bias.fill_(-100)  # this whole activation is zero

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.a(x))
        return self.head(self.act(self.b(x)) + self.act(self.gone(x)))


@case("C31", half={"c": 4})
class FaintLayer(nn.Module):
    """Global ranking would empty a whole layer.

    At 95 % global sparsity and at 80 % of channels every layer keeps at least one weight or channel; the forward pass
    works and reported sparsity is that of the decoded file. From Eric-mingjie/rethinking-network-pruning#18, #50;
    microsoft/nni#3200.
    """

    def __init__(self, c=8):
        super().__init__()
        self.a, self.faint, self.b = _block(1, c), nn.Conv2d(c, c, 3, padding=1), nn.Conv2d(c, c, 3, padding=1)
        self.act, self.head = nn.ReLU(), _Head(c)

    def settle(self):
        self.faint.weight.mul_(1e-3)
        self.faint.bias.mul_(1e-3)
        self.b.weight.mul_(1e3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.act(self.b(self.act(self.faint(self.a(x))))))


@case("C32", refusable="anywhere", named=r"finite|nan\b")
class NotANumber(nn.Module):
    """A weight is NaN.

    Refused or failed with a sentence (the network's answers are not finite); never shown as an accuracy, never on the
    front. From Tencent/ncnn#933; optuna/optuna#82.
    """

    def __init__(self, c=8):
        super().__init__()
        self.stem, self.body, self.head = _block(1, c), _block(c, c), _Head(c)

    def settle(self):
        self.body[0].weight[0, 0, 0, 0] = torch.nan

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.stem(x)))


# --- shapes, padding, pooling, resizing -------------------------------------------------------------------------------


@case("C33", refusable="door", named="pool", half={"c": 4})
class CeilAverage(nn.Module):
    """Average pooling with padding and ceil_mode: what the last window divides by.

    8 x 8 gives 5 x 5; the last row and column are divided as in torch (by 6, or 4 in the corner: what lies within one
    pixel of padding). Float ONNX equal, else refused; dividing by 9 everywhere is 23 % off. From
    pytorch/pytorch#183528; microsoft/onnxruntime#16203, #16752.
    """

    def __init__(self, c=8):
        super().__init__()
        self.stem, self.pool = _block(1, c), nn.AvgPool2d(3, 2, padding=1, ceil_mode=True)
        self.flat, self.out = nn.Flatten(), nn.Linear(25 * c, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.flat(self.pool(self.stem(x))))


@case("C35", refusable="door", named=r"\bup\b|resiz", half={"c": 4})
class OddUpsample(nn.Module):
    """Bilinear resizing by a factor that does not divide: factor 1.7 or size 6 / 4?.

    torch samples with 1 / 1.7, not with 4 / 6 (27 % off). Float ONNX equal, else refused. From Tencent/ncnn#6836;
    pytorch/pytorch#27376, #27176.
    """

    def __init__(self, c=8):
        super().__init__()
        self.stem = _block(1, c, stride=2)
        self.up = nn.Upsample(scale_factor=1.7, mode="bilinear", align_corners=False)
        self.body, self.flat, self.out = _block(c, c), nn.Flatten(), nn.Linear(36 * c, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.flat(self.body(self.up(self.stem(x)))))


@case("C36", half={"c": 4})
class Rectangles(nn.Module):
    """1 x 7 and 7 x 1 kernels, unequal padding, stride and dilation.

    Padding, stride and dilation of each direction stay with it in ONNX, Tucker, spatial and separable forms: shapes
    8x8, 8x8, 4x8; at full rank outputs equal to 1e-3; int8 really runs QLinearConv for all three. From
    microsoft/onnxruntime#11525; jacobgil/pytorch-tensor-decompositions#2; apache/tvm#4803.
    """

    def __init__(self, c=8):
        super().__init__()
        self.stem = _block(1, c)
        self.row, self.column = nn.Conv2d(c, c, (1, 7), padding=(0, 3)), nn.Conv2d(c, c, (7, 1), padding=(3, 0))
        self.odd = nn.Conv2d(c, c, 3, stride=(2, 1), padding=(1, 2), dilation=(1, 2))
        self.act, self.flat, self.out = nn.ReLU(), nn.Flatten(), nn.Linear(32 * c, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.column(self.act(self.row(self.stem(x)))))
        return self.out(self.flat(self.act(self.odd(x))))


@case("C37", half={"c": 4})
class SamePadding(nn.Module):
    """Padding='same' with an even kernel and with dilation.

    The odd pixel goes to the end; float ONNX equal, every fit without training works or goes around these layers. From
    pytorch/pytorch#3867, #45667.
    """

    def __init__(self, c=8):
        super().__init__()
        self.even, self.wide = nn.Conv2d(1, c, 4, padding="same"), nn.Conv2d(c, c, 3, padding="same", dilation=2)
        self.act, self.flat, self.out = nn.ReLU(), nn.Flatten(), nn.Linear(64 * c, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.flat(self.act(self.wide(self.act(self.even(x))))))


@case("C38", refusable="anywhere", named="across|linear")
class LinearOnMap(nn.Module):
    """Linear layer on the last axis of a 4-dimensional map.

    Written as MatMul (Gemm takes two dimensions): ONNX equal and operations counted 64 times, or refused naming the
    layer. A file that ONNX Runtime cannot load, called damaged, fails. From onnx/onnx#2209, #724;
    microsoft/onnxscript#2021.
    """

    def __init__(self, c=8):
        super().__init__()
        self.stem, self.across, self.act = _block(1, c), nn.Linear(8, 6), nn.ReLU()
        self.body, self.head = _block(c, c), _Head(c)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.act(self.across(self.stem(x)))))


@case("C39", refusable="anywhere", named="pool", half={"c": 4})
class UnevenPool(nn.Module):
    """Adaptive pooling to a size that does not divide.

    8 to 3 needs overlapping windows: equal (for instance as two matrix products or a convolution), or refused with the
    sizes. From pytorch/pytorch#42653, #64806, #109370.
    """

    def __init__(self, c=8):
        super().__init__()
        self.stem, self.pool = _block(1, c), nn.AdaptiveAvgPool2d(3)
        self.flat, self.out = nn.Flatten(), nn.Linear(9 * c, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.flat(self.pool(self.stem(x))))


@case("C40", refusable="anywhere", named="pad", half={"c": 4})
class EndPadding(nn.Module):
    """TensorFlow's padding: one pixel at the end only.

    ZeroPad2d((0,1,0,1)) then stride 2: merged into the convolution's pads [0,0,1,1] or written as Pad; quantized, the
    padding is the code of real zero. Or refused naming the layer. From open-mmlab/mmrazor#569; Tencent/ncnn#6661;
    huggingface/pytorch-image-models#752.
    """

    def __init__(self, c=8):
        super().__init__()
        self.stem, self.pad, self.down = _block(1, c), nn.ZeroPad2d((0, 1, 0, 1)), _block(c, c, stride=2, padding=0)
        self.flat, self.out = nn.Flatten(), nn.Linear(16 * c, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.flat(self.down(self.pad(self.stem(x)))))


@case("C41", refusable="anywhere", named="pad|getitem")
class PaddedShortcut(nn.Module):
    """CIFAR ResNet's shortcut: every second pixel, zero channels put around.

    Channels 4..11 of the sum are tied to the 8 before, the others free: pruned consistently and equal, or refused
    naming the operation. From VainF/Torch-Pruning#64; ethanhe42/resnet-cifar10-caffe#15.
    """

    def __init__(self, c=8):
        super().__init__()
        self.c = c
        self.stem, self.down = _block(1, c), _block(c, 2 * c, stride=2)
        self.body, self.norm = nn.Conv2d(2 * c, 2 * c, 3, padding=1, bias=False), nn.BatchNorm2d(2 * c)
        self.act, self.head = nn.ReLU(), _Head(2 * c)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        around = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.c // 2, self.c // 2))
        return self.head(self.act(self.norm(self.body(self.down(x))) + around))


# --- operations outside of the list -----------------------------------------------------------------------------------


@case("C42", refusable="anywhere", named="view|transpose|reshape", half={"c": 8})
class ChannelShuffle(nn.Module):
    """Channel shuffle by view and transpose.

    Channels are followed through the permutation (i to 2i mod 15), or the shuffle is refused by name; quantization,
    sharing and export need not follow channels and should work. From VainF/Torch-Pruning#45, #14; microsoft/nni#3453,
    #4556; microsoft/onnxruntime#11634.
    """

    def __init__(self, c=16):
        super().__init__()
        self.c = c
        self.stem, self.a, self.b = _block(1, c), _block(c, c, 1, groups=2), _block(c, c, groups=c)
        self.c1, self.head = _block(c, c, 1, groups=2), _Head(c)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(self.stem(x))
        x = x.view(-1, 2, self.c // 2, 8, 8).transpose(1, 2).reshape(-1, self.c, 8, 8)
        return self.head(self.c1(self.b(x)))


@case("C43", refusable="anywhere", named="chunk|getitem|split", half={"c": 4})
class GatedChunk(nn.Module):
    """Chunk and gate (GLU).

    Output i and output c + i of the convolution go together: <= half(); or refused by name. From
    VainF/Torch-Pruning#393; microsoft/nni#5416; ultralytics/ultralytics#14171.
    """

    def __init__(self, c=8):
        super().__init__()
        self.stem, self.split, self.read = _block(1, c), nn.Conv2d(c, 2 * c, 3, padding=1), _block(c, c)
        self.head = _Head(c)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.split(self.stem(x)).chunk(2, 1)
        return self.head(self.read(value * torch.sigmoid(gate)))


@case("C44", half={"c": 4})
class ChannelPReLU(nn.Module):
    """PReLU with a slope for each channel.

    Slopes are cut with their channels, count as parameters and stay float: <= half(), ONNX equal. From
    IntelLabs/distiller#409; VainF/Torch-Pruning#37; pytorch/pytorch#41640.
    """

    def __init__(self, c=8):
        super().__init__()
        self.a, self.b, self.slopes = nn.Conv2d(1, c, 3, padding=1), nn.Conv2d(c, c, 3, padding=1), nn.PReLU(c)
        self.other, self.head = nn.PReLU(), _Head(c)

    def settle(self):
        self.slopes.weight.copy_(torch.linspace(-0.5, 1, len(self.slopes.weight)))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.other(self.b(self.slopes(self.a(x)))))


@case("C45", half={"c": 8})
class GroupNormed(nn.Module):
    """GroupNorm: as many channels must go from each group.

    16 channels in 4 groups become 8 in 4 groups, two from each; equal in ONNX. From
    VainF/Torch-Pruning#93, #268; microsoft/nni#5069; onnxsim/onnxsim#982; qualcomm/aimet#415.
    """

    def __init__(self, c=16):
        super().__init__()
        self.a, self.norm, self.act = nn.Conv2d(1, c, 3, padding=1), nn.GroupNorm(4, c), nn.ReLU()
        self.b, self.head = _block(c, c), _Head(c)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.b(self.act(self.norm(self.a(x)))))


@case("C46", refusable="anywhere", named="gamma|get_attr|mul", half={"c": 4})
class LayerScale(nn.Module):
    """A bare parameter that scales channels (LayerScale).

    Float and quantized ONNX equal; pruning cuts the parameter with its channels, or refuses naming it: a mismatch in
    shape fails. From VainF/Torch-Pruning#119, #356.
    """

    def __init__(self, c=8):
        super().__init__()
        self.stem, self.body, self.act = _block(1, c), _block(c, c), nn.ReLU()
        self.gamma = nn.Parameter(torch.linspace(0.1, 1, c)[None, :, None, None])
        self.head = _Head(c)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(self.act(x + self.gamma * self.body(x)))


@case("C47", refusable="anywhere", named="mean|std|sub|div", half={"c": 4})
class BuiltInNormalisation(nn.Module):
    """Normalisation of the image inside the network.

    (x - mean) / std is exported or folded into the first convolution (correct at the padded border!), everything
    behind it can be pruned; or refused by name. From apple/coremltools#244; wimh966/QDrop#9; ModelTC/MQBench#39.
    """

    def __init__(self, c=8):
        super().__init__()
        self.register_buffer("mean", torch.full((1, 1, 1, 1), 0.3))
        self.register_buffer("std", torch.full((1, 1, 1, 1), 0.4))
        self.stem, self.body, self.head = _block(1, c), _block(c, c), _Head(c)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.stem((x - self.mean) / self.std)))


def _spelled_out(module):
    """The same network with an ordinary convolution, one output for each of four places, and pixel shuffle."""
    other = _make(Transposed, spelled_out=True)
    parts = module.state_dict()
    weight, bias = parts.pop("up.weight"), parts.pop("up.bias")
    parts |= {"up.0.weight": weight.flatten(1).t()[..., None, None], "up.0.bias": bias.repeat_interleave(4)}
    other.load_state_dict(parts)
    return other


@case("C49", half={"c": 4, "spelled_out": True}, twin=_spelled_out)
class Transposed(nn.Module):
    """Transposed convolution: output channels are the second axis.

    As what it is, a convolution to four channels for each of its 6 and pixel shuffle: 24 scales, of which pruning takes
    four at a time; equal. From microsoft/onnxruntime#19694; VainF/Torch-Pruning#125.
    """

    def __init__(self, c=8, spelled_out=False):
        super().__init__()
        self.stem, self.up, self.act = _block(1, c, stride=2), nn.ConvTranspose2d(c, c * 3 // 4, 2, 2), nn.ReLU()
        if spelled_out:
            self.up = nn.Sequential(nn.Conv2d(c, c * 3, 1), nn.PixelShuffle(2))
        self.body, self.head = _block(c * 3 // 4, c), _Head(c)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.act(self.up(self.stem(x)))))


@case("C50", half={"c": 4})
class PixelShuffled(nn.Module):
    """Pixel shuffle: four channels become one.

    Channels 4i..4i+3 in front go with channel i behind: <= half(). From VainF/Torch-Pruning#98,
    #420.
    """

    def __init__(self, c=8):
        super().__init__()
        self.stem, self.wide, self.up = _block(1, c, stride=2), nn.Conv2d(c, 4 * c, 3, padding=1), nn.PixelShuffle(2)
        self.act, self.body, self.head = nn.ReLU(), _block(c, c), _Head(c)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.act(self.up(self.wide(self.stem(x))))))


@case("C51", refusable="anywhere", named="line|size|shape")
class ControlFlow(nn.Module):
    """Forward decides by the image's size.

    Traced for the one size that there is, or refused with a sentence that says which line; a bare TraceError fails.
    From SonySemiconductorSolutions/mct-model-optimization#1299; ModelTC/MQBench#253; DeepVAC/deepvac#115.
    """

    def __init__(self, c=8):
        super().__init__()
        self.stem, self.pool, self.body, self.head = _block(1, c), nn.MaxPool2d(2), _block(c, c), _Head(c)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        if x.shape[2] > 6:
            x = self.pool(x)
        return self.head(self.body(x))


@case("C52", refusable="anywhere", named="depth", half={"c": 4})
class Stochastic(nn.Module):
    """Stochastic depth: a function that torch.fx keeps whole.

    Identity in evaluation: treated as its input; or refused by name. From pytorch/vision#4373; apache/tvm#17300;
    pytorch/pytorch#68190.
    """

    def __init__(self, c=8):
        super().__init__()
        self.stem, self.body, self.act = _block(1, c), _block(c, c), nn.ReLU()
        self.depth, self.head = torchvision.ops.StochasticDepth(0.5, "row"), _Head(c)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(self.act(self.depth(self.body(x)) + x))


@case("C53", half={"c": 4})
class ManyClasses(nn.Module):
    """More than 256 classes.

    predict(file) equals torch's argmax for all images: on images(256, 11) classes 257, 285 and 292 occur and are not
    256 too low. From facebookresearch/detectron2#5386; facebookresearch/maskrcnn-benchmark#1169;
    Lightning-AI/torchmetrics#1510.
    """

    def __init__(self, c=8):
        super().__init__()
        self.stem, self.body, self.head = _block(1, c), _block(c, c), _Head(c, 300)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.stem(x)))


@case("C55", refusable="anywhere", named="soft", half={"c": 4})
class SoftmaxHead(nn.Module):
    """Softmax inside the network: its outputs are not logits.

    Distillation does not soften probabilities a second time (or refuses, or takes their logarithm); predictions do not
    change; or the layer is refused by name. From microsoft/onnxruntime#18589; NVIDIA/Model-Optimizer#19.
    """

    def __init__(self, c=8):
        super().__init__()
        self.stem, self.body, self.head, self.soft = _block(1, c), _block(c, c), _Head(c), nn.Softmax(dim=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.soft(self.head(self.body(self.stem(x))))


# --- numbers of quantized networks ------------------------------------------------------------------------------------


@case("C56", half={"c": 4}, twin={"plain": True})
class FunctionalActivations(nn.Module):
    """ReLU, pooling and flatten as functions: twice as many quantizers as modules get.

    As many QuantizeLinear as the twin of modules, the same integer kernels in ONNX Runtime's own graph, logits within
    one step; and with all of ONNX Runtime's optimizations off, the same classes. From neuralmagic/sparseml#785;
    pytorch/executorch#22159; microsoft/onnxruntime#25259.
    """

    def __init__(self, c=8, plain=False):
        super().__init__()
        self.plain = plain
        self.a, self.b, self.c = (
            nn.Conv2d(1, c, 3, padding=1),
            nn.Conv2d(c, c, 3, padding=1),
            nn.Conv2d(c, c, 3, padding=1),
        )
        self.act, self.pool, self.flat, self.out = nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16 * c, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        if self.plain:
            return self.out(self.flat(self.act(self.c(self.pool(self.act(self.b(self.act(self.a(x)))))))))
        x = functional.max_pool2d(torch.relu(self.b(functional.relu(self.a(x)))), 2)
        return self.out(torch.flatten(self.c(x).relu(), 1))


@case("C57", half={"c": 4})
class LopsidedSum(nn.Module):
    """Sum and concatenation of maps a hundred times apart in size.

    Each map keeps its own scale (ratio of the two > 20) up to the operator, or concatenated channels keep theirs: int8
    errs by less than 15 %; one scale for both maps costs 25 % and more. From 666DZY666/micronet#53;
    openvinotoolkit/nncf#2195; intel/neural-compressor#1072.
    """

    def __init__(self, c=8):
        super().__init__()
        self.stem, self.act = _block(1, c), nn.ReLU()
        self.loud, self.quiet = nn.Conv2d(c, c, 3, padding=1), nn.Conv2d(c, c, 3, padding=1)
        self.each, self.both = nn.Conv2d(2 * c, 2 * c, 3, padding=1, groups=2), nn.Conv2d(c, 2 * c, 1)
        self.head = _Head(2 * c)

    def settle(self):
        self.loud.weight.mul_(10)
        self.quiet.weight.mul_(0.1)
        c = self.loud.out_channels
        self.each.weight[:c].mul_(10)  # this half reads the quiet map, which matters as much
        self.each.weight[c:].mul_(0.1)
        self.both.weight.mul_(0.1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        quiet, loud = self.act(self.quiet(x)), self.act(self.loud(x))
        return self.head(self.act(self.each(torch.cat([quiet, loud], 1)) + self.both(quiet + loud)))


@case("C58", half={"c": 4})
class BigBias(nn.Module):
    """Tiny weights beside a big bias: the int32 bias overflows.

    Biases of 5 and -4.5 with weights of 1e-9 come out within 1 % (int32 holds them or the layer stays float); int8
    errs by less than 10 % (rounded alone: 3.5 %). From microsoft/onnxruntime#22020, #21000, #21645, #11415.
    """

    def __init__(self, c=8):
        super().__init__()
        self.stem, self.mixed, self.act, self.head = _block(1, c), nn.Conv2d(c, c, 1), nn.ReLU(), _Head(c)

    def settle(self):
        self.mixed.weight[::2].mul_(1e-9)
        self.mixed.bias[::2] = torch.tensor([5.0, -4.5]).repeat(len(self.mixed.bias) // 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.act(self.mixed(self.stem(x))))


@case("C59", half={"c": 4}, twin=lambda module: _make(MicroscopicWeights, counts=1.0))
class MicroscopicWeights(nn.Module):
    """Weights too small for half precision (images in counts of a million).

    8 bits, 4 bits and float16 err by at most twice what they do for the twin with ordinary numbers (8 bits: 1 %);
    scales below 2**-24 must not be rounded up to it. Or it is said that these numbers are out of range. From
    apple/coremltools#351; NVIDIA/TensorRT#2709.
    """

    def __init__(self, c=8, counts=1e6):
        super().__init__()
        self.counts = counts
        self.a, self.b, self.act = nn.Conv2d(1, c, 3, padding=1), nn.Conv2d(c, c, 3, padding=1), nn.ReLU()
        self.head = _Head(c)

    def settle(self):
        self.a.weight.div_(self.counts)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.act(self.b(self.act(self.a(x * self.counts)))))


@case("C61", half={"c": 8})
class Saturating(nn.Module):
    """All codes at their ends: pairs of u8 x s8 products overflow 16 bits without VNNI.

    On every CPU the int8 file's logits equal torch's fake quantization within one step of the last quantizer; on a CPU
    without VNNI the exact mode is on and its price is in the latency. From microsoft/onnxruntime#6004, #5849, #14642;
    pytorch/pytorch#103646.
    """

    def __init__(self, c=16):
        super().__init__()
        self.stem, self.sum, self.act = nn.Conv2d(1, c, 1), nn.Conv2d(c, c, 3, padding=1), nn.ReLU()
        self.flat, self.out = nn.Flatten(), nn.Linear(64 * c, CLASSES)

    def settle(self):
        self.stem.weight.fill_(1)
        self.stem.bias.fill_(1)
        self.sum.weight.mul_(0.02).add_(0.1)  # nearly the largest code everywhere
        self.sum.bias.sub_(0.1 * self.sum.weight[0].numel())

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.flat(self.act(self.sum(self.act(self.stem(x))))))


@case("C62", half={"c": 4})
class CurvedActivations(nn.Module):
    """Activations with a small negative lobe or a fixed range.

    The grid behind hard-swish and SiLU reaches down to -0.375 and -0.278 (zero point > 0), behind sigmoids it ends at
    1; int8 errs by less than 20 %; HardSwish is not written as HardSigmoid. From onnxruntime/onnxruntime-qnn#392,
    #473; apache/tvm#12624; EunhyeokPark/PROFIT#6.
    """

    def __init__(self, c=8):
        super().__init__()
        self.a, self.b, self.c, self.d = (nn.Conv2d(i, c, 3, padding=1) for i in (1, c, c, c))
        self.hard_swish, self.hard_sigmoid, self.silu, self.sigmoid = (
            nn.Hardswish(),
            nn.Hardsigmoid(),
            nn.SiLU(),
            nn.Sigmoid(),
        )
        self.head = _Head(c)

    def settle(self):
        for layer in (self.a, self.b, self.c, self.d):
            layer.weight.mul_(3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.hard_swish(self.a(x))
        x = x * self.hard_sigmoid(self.b(x))
        return self.head(self.sigmoid(self.d(self.silu(self.c(x)))))


@case("C63", half={"c": 4})
class BorderHeavy(nn.Module):
    """The code of zero is not 0, and most of what a kernel sees is padding.

    Padding enters as real zero: int8 file and fake quantization agree within one step at all pixels, corners included.
    From NVIDIA/cutlass#817; apache/tvm#4803.
    """

    def __init__(self, c=8):
        super().__init__()
        self.a, self.b, self.act = nn.Conv2d(1, c, 7, padding=5), nn.Conv2d(c, c, 5, padding=4, stride=2), nn.Tanh()
        self.flat, self.out = nn.Flatten(), nn.Linear(64 * c, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.flat(self.act(self.b(self.act(self.a(x))))))


@case("C64", half={"c": 4})
class FewValues(nn.Module):
    """Fewer different weights than clusters; all equal; all negative.

    16 clusters: the layers keep 3 and 1 different values, exact to half precision (logits within 1e-3), no empty
    cluster, no NaN; a layer that is left out is left unchanged. From apple/coremltools#2698, #2777;
    apple/coreai-optimization#93.
    """

    def __init__(self, c=8):
        super().__init__()
        self.a, self.three, self.one, self.negative = (nn.Conv2d(i, c, 3, padding=1) for i in (1, c, c, c))
        self.act, self.head = nn.ReLU(), _Head(c)

    def settle(self):
        self.three.weight.copy_(torch.tensor([-0.25, 0.0, 0.375])[torch.randint(3, self.three.weight.shape)])
        self.one.weight.fill_(-0.0625)
        self.one.bias.fill_(2)
        self.negative.weight.abs_().neg_()
        self.negative.bias.fill_(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.act(self.negative(self.act(self.one(self.act(self.three(self.act(self.a(x)))))))))


@case("C65", half={"c": 4})
class DepthwiseOnly(nn.Module):
    """Sharing and N:M patterns in depthwise layers, and zeros that drift.

    3 clusters leave at most 3 different weights in the depthwise layer too; 2:4 leaves at most 2 of each 4 neighbours;
    after pruning and sharing and training, what was zero is exactly zero. From tensorflow/model-optimization#1132,
    #702.
    """

    def __init__(self, c=8):
        super().__init__()
        self.stem, self.depth, self.mix = _block(1, c), _block(c, c, groups=c), _block(c, c, 1)
        self.head = _Head(c)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.mix(self.depth(self.stem(x))))


@case("C66", half={"c": 2})
class TooSmallToGain(nn.Module):
    """Int8 slower than float: too small to gain.

    The latency ratio comes with its interval, and where it is above 1 the verdict says slower, with the cause
    (Quantize and Dequantize around small kernels); no speed-up is promised from bits alone. From
    microsoft/onnxruntime#20052, #17389, #6732; pytorch/pytorch#42113.
    """

    def __init__(self, c=4):
        super().__init__()
        self.a, self.b, self.d = _block(1, c, stride=2), _block(c, c, act=nn.Hardswish), _block(c, c, 1, act=nn.Sigmoid)
        self.head = _Head(c)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.d(self.b(self.a(x))))


@case("C67", half={"hidden": 16})
class BatchDependence(nn.Module):
    """Dynamic ranges: an image's answer depends on its batch.

    With activations=dynamic the logits of an image are bit for bit the same alone, in a batch of 50, and beside an
    image 1,000 times as bright. From microsoft/onnxruntime#10111, #5672; Anush008/fastembed-rs#107.
    """

    def __init__(self, hidden=32):
        super().__init__()
        self.flat, self.act = nn.Flatten(), nn.ReLU()
        self.a, self.b, self.out = nn.Linear(64, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.act(self.b(self.act(self.a(self.flat(x))))))

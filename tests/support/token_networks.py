"""Small networks that move numbers about: channel shuffles, tokens, windows and attention, on images of 1 x 8 x 8.

And such as have layers that not every tool knows.
"""

import torch
from torch import nn
from torch.nn import functional

SHAPE = (1, 8, 8)
FEATURES = 12
HEADS = 3


class Tokens(nn.Module):
    """A patch embedding to 16 tokens of 12 features, what `body` makes of them, and the mean token's logits."""

    def __init__(self, body, **parts):
        super().__init__()
        torch.manual_seed(0)
        self.patches, self.out = nn.Conv2d(1, FEATURES, 2, stride=2), nn.Linear(FEATURES, 3)
        for name, part in parts.items():
            setattr(self, name, part)
        self.body = body

    def forward(self, x):
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        return self.out(self.body(self, tokens).mean(1))


class Maps(nn.Module):
    """A convolution to 4 channels, what `body` makes of the map, and logits."""

    def __init__(self, body, **parts):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last, self.out = nn.Conv2d(1, 4, 3, padding=1), nn.LazyConv2d(6, 3), nn.Linear(6, 3)
        for name, part in parts.items():
            setattr(self, name, part)
        self.body = body

    def forward(self, x):
        return self.out(self.last(self.body(self, self.first(x))).mean((2, 3)))


def heads(x):
    """N x tokens x features as N x heads x tokens x features of a head."""
    return x.unflatten(2, (HEADS, -1)).transpose(1, 2)


def attended(net, x):
    query, key, value = (heads(part) for part in net.qkv(net.norm(x)).chunk(3, dim=2))
    return x + net.project(functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))


def masked(net, x):
    query, key, value = (heads(part) for part in net.qkv(x).split(FEATURES, 2))
    return functional.scaled_dot_product_attention(query, key, value, is_causal=True).transpose(1, 2).flatten(2)


def cosine(net, x):
    query, key, value = net.qkv(x).reshape(x.shape[0], -1, 3, HEADS, FEATURES // HEADS).permute(2, 0, 3, 1, 4).unbind(0)
    scores = functional.normalize(query, dim=-1) @ functional.normalize(key, dim=-1).transpose(-2, -1)
    weights = (scores * net.scale.clamp(max=4.6).exp()).softmax(-1)
    return torch.einsum("nhij, nhjd -> nihd", weights, value).flatten(2)


def with_class(net, x):
    x = torch.cat([net.token.expand(x.shape[0], -1, -1), x], dim=1) + net.places
    return net.norm(net.attention(x, x, x, need_weights=False)[0])


def mixed(net, x):
    return x + net.second(functional.gelu(net.first(net.norm(x))))


def windowed(net, x):
    """Windows of 4 x 4 of a map that was moved by 2 (Liu et al., 2021), with a mask that is made on the way."""
    x = torch.roll(functional.pad(x, (0, 1, 0, 1)), (-2, -2), (2, 3))[:, :, :8, :8].permute(0, 2, 3, 1)
    windows = x.view(-1, 2, 4, 2, 4, 4).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, 4)
    mask = x.new_zeros((8, 8))
    mask[4:, :] = 1
    mask = mask.view(2, 4, 2, 4).permute(0, 2, 1, 3).reshape(4, 16)
    mask = (mask.unsqueeze(1) - mask.unsqueeze(2)).ne(0).float() * -100
    scores = (windows @ windows.transpose(1, 2)).view(-1, 4, 16, 16) + mask
    windows = scores.softmax(-1).view(-1, 16, 16) @ windows
    return windows.view(-1, 2, 2, 4, 4, 4).permute(0, 5, 1, 3, 2, 4).reshape(-1, 4, 8, 8)


def shuffled(net, x):
    """Half of the channels goes on as it is, and the two halves are dealt out in turns (Ma et al., 2018)."""
    left, right = x.chunk(2, dim=1)
    x = torch.cat([left, net.branch(right)], dim=1)
    return x.view(x.size(0), 2, 2, 8, 8).transpose(1, 2).reshape(x.size(0), -1, 8, 8)


def scaled(net, x):
    y = net.second(functional.gelu(net.wide(net.norm(x.permute(0, 2, 3, 1))), approximate="tanh"))
    return x + net.scale * y.permute(0, 3, 1, 2)


def given(layer, *numbers):
    """The layer with this weight and bias, as if it had been trained."""
    for name, one in zip(("weight", "bias"), numbers, strict=False):
        setattr(layer, name, nn.Parameter(one))
    return layer


NETWORKS = {
    "attention": lambda: Tokens(
        attended,
        norm=nn.LayerNorm(FEATURES),
        qkv=nn.Linear(FEATURES, 3 * FEATURES),
        project=nn.Linear(FEATURES, FEATURES),
    ),
    "causal": lambda: Tokens(masked, qkv=nn.Linear(FEATURES, 3 * FEATURES, bias=False)),
    "cosine": lambda: Tokens(
        cosine, qkv=nn.Linear(FEATURES, 3 * FEATURES), scale=nn.Parameter(torch.rand(HEADS, 1, 1) + 1)
    ),
    "class token": lambda: Tokens(
        with_class,
        token=nn.Parameter(torch.randn(1, 1, FEATURES)),
        places=nn.Parameter(torch.randn(1, 17, FEATURES)),
        norm=nn.LayerNorm(FEATURES, bias=False),
        attention=nn.MultiheadAttention(FEATURES, HEADS, batch_first=True),
    ),
    "mlp": lambda: Tokens(
        mixed, norm=nn.LayerNorm(FEATURES), first=nn.Linear(FEATURES, 20), second=nn.Linear(20, FEATURES)
    ),
    "shifted": lambda: Tokens(
        lambda net, x: x * net.gain + net.shift,
        gain=nn.Parameter(torch.rand(FEATURES)),
        shift=nn.Parameter(torch.rand(FEATURES)),
    ),
    "windows": lambda: Maps(windowed),
    "shuffle": lambda: Maps(shuffled, branch=nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2), nn.ReLU())),
    "norm over channels": lambda: Maps(
        scaled,
        norm=nn.LayerNorm(4),
        wide=nn.Linear(4, 9),
        second=nn.Linear(9, 4),
        scale=nn.Parameter(torch.rand(4, 1, 1)),
    ),
    "divided": lambda: Maps(lambda net, x: x / (x * x + 1)),
    "groups": lambda: Maps(
        lambda net, x: net.whole(net.wide(net.evenly(x))),
        evenly=given(nn.GroupNorm(2, 4), torch.rand(4) + 0.5, torch.randn(4)),
        wide=nn.Conv2d(4, 12, 1),
        whole=nn.GroupNorm(6, 12, affine=False),
    ),
    "instances": lambda: Maps(
        lambda net, x: functional.instance_norm(net.norm(x)),
        norm=given(nn.InstanceNorm2d(4, affine=True), torch.rand(4) + 0.5, torch.randn(4)),
    ),
    "shuffled pixels": lambda: Maps(
        lambda net, x: net.shuffle(net.wide(net.unshuffle(x))),
        unshuffle=nn.PixelUnshuffle(2),
        wide=nn.Conv2d(16, 12, 1),
        shuffle=nn.PixelShuffle(2),
    ),
    "transposed": lambda: Maps(
        lambda net, x: net.last_up(net.norm(net.up(x))),
        up=nn.ConvTranspose2d(4, 6, 3, 2, 1, output_padding=1, groups=2),
        norm=nn.BatchNorm2d(6),
        last_up=nn.ConvTranspose2d(6, 5, 3, padding=1),
    ),
    "slopes": lambda: Maps(
        lambda net, x: net.all(net.each(x)), each=given(nn.PReLU(4), torch.rand(4)), all=nn.PReLU(init=-0.3)
    ),
    "other activations": lambda: Maps(lambda net, x: functional.elu(functional.leaky_relu(x, 0.2), 0.5)),
}


def network(name):
    """One of them, in evaluation mode, with its lazy layers made."""
    module = NETWORKS[name]().eval()
    module(torch.zeros(1, *SHAPE))
    return module

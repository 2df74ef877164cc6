"""Restormer (Zamir et al., CVPR 2022) in PyTorch, written from the paper: the yardstick of peers.py.

Module names give the state-dict names of the published weights. Layouts are left to PyTorch: all of it runs on
contiguous and on channels-last tensors.
"""

import torch
from torch import nn
from torch.nn import functional as F

PAPER = dict(channels=3, outputs=3, dim=48, blocks=(4, 6, 6, 8), refinement=4, heads=(1, 2, 4, 8),
             expansion=2.66, bias=False, centred=True, dual_pixel=False)
SMALL = dict(PAPER, dim=16, blocks=(1, 1, 1, 2), refinement=1)


class Normalization(nn.Module):
    """LayerNorm over the channels of every pixel; `WithBias` is centred, `BiasFree` keeps the mean in the numerator."""

    def __init__(self, channels, centred):
        super().__init__()
        self.body = nn.Module()
        self.body.weight = nn.Parameter(torch.ones(channels))
        if centred:
            self.body.bias = nn.Parameter(torch.zeros(channels))
        self.centred = centred

    def forward(self, x):
        if self.centred:
            y = F.layer_norm(x.permute(0, 2, 3, 1), self.body.weight.shape, self.body.weight, self.body.bias)
            return y.permute(0, 3, 1, 2)
        deviation = torch.sqrt(x.var(1, keepdim=True, correction=0) + 1e-5)
        return x / deviation * self.body.weight[:, None, None]


class Attention(nn.Module):
    """Multi-Dconv head transposed attention: softmax of q kT over channels, q and k of unit length over pixels."""

    normalize = staticmethod(F.normalize)

    def __init__(self, channels, heads, bias):
        super().__init__()
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=bias)
        self.qkv_dwconv = nn.Conv2d(3 * channels, 3 * channels, 3, padding=1, groups=3 * channels, bias=bias)
        self.project_out = nn.Conv2d(channels, channels, 1, bias=bias)

    def forward(self, x):
        n, c, h, w = x.shape
        q, k, v = (part.reshape(n, self.heads, c // self.heads, h * w)
                   for part in self.qkv_dwconv(self.qkv(x)).chunk(3, dim=1))
        product = self.normalize(q, dim=-1) @ self.normalize(k, dim=-1).transpose(-2, -1)
        weights = torch.softmax(product * self.temperature, dim=-1)
        return self.project_out((weights @ v).reshape(n, c, h, w))


class FeedForward(nn.Module):
    """Gated-Dconv feed-forward network: one half of the hidden channels gates the other by GELU."""

    def __init__(self, channels, expansion, bias):
        super().__init__()
        hidden = int(channels * expansion)
        self.project_in = nn.Conv2d(channels, 2 * hidden, 1, bias=bias)
        self.dwconv = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden, bias=bias)
        self.project_out = nn.Conv2d(hidden, channels, 1, bias=bias)

    def forward(self, x):
        gate, value = self.dwconv(self.project_in(x)).chunk(2, dim=1)
        return self.project_out(F.gelu(gate) * value)


class Block(nn.Module):
    """Attention, then the feed-forward network, each behind a LayerNorm and beside a residual."""

    def __init__(self, channels, heads, expansion, bias, centred):
        super().__init__()
        self.norm1 = Normalization(channels, centred)
        self.attn = Attention(channels, heads, bias)
        self.norm2 = Normalization(channels, centred)
        self.ffn = FeedForward(channels, expansion, bias)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.ffn(self.norm2(x))


def resampling(channels, down):
    """A 3x3 convolution and a pixel shuffle: half the size and twice the channels, or the reverse."""
    module = nn.Module()
    outputs, shuffle = (channels // 2, nn.PixelUnshuffle(2)) if down else (2 * channels, nn.PixelShuffle(2))
    module.body = nn.Sequential(nn.Conv2d(channels, outputs, 3, padding=1, bias=False), shuffle)
    return module


class Restormer(nn.Module):
    """The network: four encoder levels, three decoder levels, refinement, and the input added to the output."""

    def __init__(self, channels, outputs, dim, blocks, refinement, heads, expansion, bias, centred, dual_pixel):
        super().__init__()

        def level(index, width, count):
            return nn.Sequential(*(Block(width, heads[index], expansion, bias, centred) for _ in range(count)))

        width = [dim << index for index in range(4)]
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv2d(channels, dim, 3, padding=1, bias=False)
        for index in range(3):
            setattr(self, f"encoder_level{index + 1}", level(index, width[index], blocks[index]))
            setattr(self, f"down{index + 1}_{index + 2}", resampling(width[index], down=True))
        self.latent = level(3, width[3], blocks[3])
        for index in (2, 1):
            setattr(self, f"up{index + 2}_{index + 1}", resampling(width[index + 1], down=False))
            reduce = nn.Conv2d(2 * width[index], width[index], 1, bias=bias)
            setattr(self, f"reduce_chan_level{index + 1}", reduce)
            setattr(self, f"decoder_level{index + 1}", level(index, width[index], blocks[index]))
        self.up2_1 = resampling(width[1], down=False)
        self.decoder_level1 = level(0, 2 * dim, blocks[0])
        self.refinement = level(0, 2 * dim, refinement)
        if dual_pixel:
            self.skip_conv = nn.Conv2d(dim, 2 * dim, 1, bias=bias)
        self.output = nn.Conv2d(2 * dim, outputs, 3, padding=1, bias=bias)
        self.dual_pixel = dual_pixel

    def forward(self, image):
        embedded = self.patch_embed.proj(image)
        first = self.encoder_level1(embedded)
        second = self.encoder_level2(self.down1_2.body(first))
        third = self.encoder_level3(self.down2_3.body(second))
        x = self.latent(self.down3_4.body(third))
        x = self.decoder_level3(self.reduce_chan_level3(torch.cat((self.up4_3.body(x), third), 1)))
        x = self.decoder_level2(self.reduce_chan_level2(torch.cat((self.up3_2.body(x), second), 1)))
        x = self.refinement(self.decoder_level1(torch.cat((self.up2_1.body(x), first), 1)))
        if self.dual_pixel:
            return self.output(x + self.skip_conv(embedded))
        return self.output(x) + image

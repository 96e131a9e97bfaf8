"""Group normalisation (Wu and He 2018) that is fast on a CPU for maps kept channels-last.

torch's own goes through the few channels of each group one by one, pixel after pixel. Here a pixel's channels, and those of
the pixels beside it, are one long row: sums over rows, and one scale and shift for each channel of an image.
"""

from math import gcd

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

ROW = 1024  # numbers in a row: shorter ones cost a call each, which for 16 channels is most of the time


class RowGroupNorm(nn.GroupNorm):
    """nn.GroupNorm, whose place and weights it takes. Maps [n, channels, h, w]; other shapes and layouts go torch's way."""

    def forward(self, maps: Tensor) -> Tensor:
        if maps.ndim == 4 and maps.is_contiguous(memory_format=torch.channels_last):
            return RowNormalisation.apply(maps, self.weight, self.bias, self.num_groups, self.eps)
        return super().forward(maps)


def quicken_group_norms(network: nn.Module) -> None:
    """Every group normalisation of the network becomes a RowGroupNorm of the same weights; their names stay."""
    for parent in network.modules():
        for name, layer in parent.named_children():
            if type(layer) is nn.GroupNorm and layer.affine:
                quick = RowGroupNorm(layer.num_groups, layer.num_channels, layer.eps, device="meta").train(layer.training)
                quick.weight, quick.bias = layer.weight, layer.bias
                setattr(parent, name, quick)


class RowNormalisation(torch.autograd.Function):
    """weight * (x - mean) / deviation + bias, mean and deviation over a group's channels and all pixels of an image."""

    @staticmethod
    def forward(context, maps: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> Tensor:
        result, mean, inverse = torch.ops.fairness.group_norm(maps, weight, bias, groups, eps)
        context.save_for_backward(maps, weight, mean, inverse)
        context.groups = groups
        return result

    @staticmethod
    @once_differentiable
    def backward(context, gradient: Tensor) -> tuple[Tensor | None, ...]:
        found = torch.ops.fairness.group_norm_backward(gradient, *context.saved_tensors, context.groups)
        return *(each if needed else None for each, needed in zip(found, context.needs_input_grad)), None, None


# Known to torch as operations, so that they count as one each, as its own do, for whoever watches operations.
torch.library.define("fairness::group_norm", "(Tensor maps, Tensor weight, Tensor bias, int groups, float eps) -> "
                     "(Tensor, Tensor, Tensor)")
torch.library.define("fairness::group_norm_backward", "(Tensor gradient, Tensor maps, Tensor weight, Tensor mean, "
                     "Tensor inverse, int groups) -> (Tensor, Tensor, Tensor)")


@torch.library.impl("fairness::group_norm", "default")
def group_norm(maps: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """The normalised maps, in their own type and computed in float32, and [n, channels] each: the mean of the channel's
    group, and one over its deviation.
    """
    values, size = rows_of(maps), maps[0].numel() // groups
    mean = of_group(each_channel(values, maps), groups) / size
    square = of_group(each_channel(values * values, maps), groups) / size
    inverse = (square - mean * mean).clamp(min=0).add(eps).rsqrt()
    scale = inverse * weight
    return maps_of(torch.addcmul(along(bias - mean * scale, values), values, along(scale, values)), maps), mean, inverse


@torch.library.impl("fairness::group_norm_backward", "default")
def group_norm_backward(gradient: Tensor, maps: Tensor, weight: Tensor, mean: Tensor, inverse: Tensor,
                        groups: int) -> tuple[Tensor, Tensor, Tensor]:
    """The gradient at maps, weight and bias; mean, inverse: what group_norm() says."""
    values, gradients, size = rows_of(maps), rows_of(gradient), maps[0].numel() // groups
    total, product = each_channel(gradients, maps), each_channel(gradients * values, maps)
    level = of_group(total * weight, groups) / size
    slope = (mean * level - of_group(product * weight, groups) / size) * inverse**3
    part = torch.addcmul(along(-level * inverse - slope * mean, values), values, along(slope, values))
    own = maps_of(torch.addcmul(part, gradients, along(inverse * weight, values)), maps)
    at_weight = ((product - mean * total) * inverse).sum(0)
    return own, at_weight.to(weight.dtype), total.sum(0).to(weight.dtype)


def rows_of(maps: Tensor) -> Tensor:
    """[n, channels, h, w] -> float32 [n, rows, pixels of a row * channels]."""
    n, channels, height, width = maps.shape
    pixels = gcd(height * width, max(1, ROW // channels))
    return maps.permute(0, 2, 3, 1).reshape(n, -1, pixels * channels).float()


def maps_of(rows: Tensor, like: Tensor) -> Tensor:
    """Back again, channels-last, in the type of `like`."""
    n, channels, height, width = like.shape
    return rows.to(like.dtype).view(n, height, width, channels).permute(0, 3, 1, 2)


def each_channel(rows: Tensor, like: Tensor) -> Tensor:
    """Sums over the pixels, [n, channels]."""
    return rows.sum(1).view(len(like), -1, like.shape[1]).sum(1)


def of_group(values: Tensor, groups: int) -> Tensor:
    """[n, channels] -> the same shape: the sum over each one's group."""
    grouped = values.unflatten(1, (groups, -1))
    return grouped.sum(2, keepdim=True).expand_as(grouped).flatten(1)


def along(values: Tensor, rows: Tensor) -> Tensor:
    """[n, channels] -> [n, 1, length of a row]: repeated for each of its pixels."""
    return values.repeat(1, rows.shape[2] // values.shape[1]).unsqueeze(1)

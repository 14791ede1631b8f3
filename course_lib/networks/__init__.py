"""Networks. Nothing trains here.

Generators take noise z [B, G.z_dim], discriminators return logits [B]; both take what they are conditioned on as
further arguments. Images are [B, 1, 28, 28] in [0, 1].
"""

from .convnet import BatchNorm, ConvNet
from .examples import PairDiscriminator, PixelGenerator, SetEncoder, WarpGenerator, apart, warp
from .flows import PixelFlow, WarpFlow
from .images import ImageDiscriminator, ImageGenerator
from .points import PointDiscriminator, PointGenerator

__all__ = ["BatchNorm", "ConvNet", "ImageDiscriminator", "ImageGenerator", "PairDiscriminator", "PixelFlow",
           "PixelGenerator", "PointDiscriminator", "PointGenerator", "SetEncoder", "WarpFlow", "WarpGenerator", "apart",
           "warp"]

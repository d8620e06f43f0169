"""The sizes of vision transformers, as parameters of the estimators that use them."""

from numbers import Integral
from typing import ClassVar, Literal

from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_mfavb.backbones import ViTSize, resolve_vit_size
from sklearn_mfavb.estimators._base import BaseImageClusterer
from sklearn_mfavb.estimators._declaration import estimator

_AUTO_COUNT = [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")]
_MOST_TOKENS, _MOST_TOKENS_WITH_CLIP = 64, 16
_SIZE_WITHOUT_PIXELS = (64, 64)  # a feature is worth the width that such images get


@estimator
class ViTSizes(BaseImageClusterer):
    """Parameters of the estimators whose own network is a vision transformer.

    Parameters
    ----------
    embed_dim : int or "auto", default="auto"
        Width of the vision transformer. ``"auto"``: 64, 128, 192 or 384 for longest
        sides up to 16, 64, 128 and above; 128 where pixels are not looked at.
    n_heads : int or "auto", default="auto"
        Attention heads of every layer; must divide `embed_dim`. ``"auto"``: one for
        every 32 units of `embed_dim`, or the next fewer that divide it.
    patch_size : int or "auto", default="auto"
        Side in pixels of the square behind one token; a power of two. ``"auto"``: the
        smallest from 2 to 16 that gives at most 64 tokens (16 with `clip`, where they
        bring less).
    """

    embed_dim: int | Literal["auto"] = "auto"
    n_heads: int | Literal["auto"] = "auto"
    patch_size: int | Literal["auto"] = "auto"

    _parameter_constraints: ClassVar[dict] = {
        "embed_dim": _AUTO_COUNT,
        "n_heads": _AUTO_COUNT,
        "patch_size": _AUTO_COUNT,
    }

    def _resolve_vit_size(
        self,
        size: tuple[int, int],
        *,
        n_blocks: int,
        shared_depth: int | Literal["auto"],
        fused_depth: int | Literal["auto"],
    ) -> ViTSize:
        """Replace every ``"auto"`` by a size that suits what is looked at."""
        return resolve_vit_size(
            size if self._sees_images else _SIZE_WITHOUT_PIXELS,
            patch_size=self.patch_size,
            embed_dim=self.embed_dim,
            n_heads=self.n_heads,
            n_blocks=n_blocks,
            shared_depth=shared_depth,
            fused_depth=fused_depth,
            most_tokens=_MOST_TOKENS if self.clip is None else _MOST_TOKENS_WITH_CLIP,
        )

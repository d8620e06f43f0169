"""The contrast of paired rows, shared by the instance and the cluster loss."""

import torch
from torch import Tensor
from torch.nn import functional


def paired_contrast(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    r"""Score how well each row finds its partner among all other rows.

    The normalised temperature-scaled cross-entropy (NT-Xent). Stack the rows of both
    sides to :math:`q_1, \dots, q_{2n}`, let :math:`s_{ij} = q_i^\top q_j / \tau` and
    let :math:`p(i) = (i + n) \bmod 2n` be the partner of row :math:`i`:

    .. math::

        L = \frac{1}{2n} \sum_{i=1}^{2n}
            \Bigl( -s_{i\,p(i)} + \log \sum_{j \neq i} e^{s_{ij}} \Bigr).

    A row is never compared with itself; its partner is part of the sum.

    Parameters
    ----------
    first : torch.Tensor of shape (n_rows, dim)
        Rows of unit length.
    second : torch.Tensor of shape (n_rows, dim)
        Their partners, row by row, of unit length.
    temperature : float
        Divisor :math:`\tau > 0` of the similarities; small values sharpen.

    Returns
    -------
    torch.Tensor of shape ()
        Mean over the `2 * n_rows` rows, in float32 even under autocast (float64 for
        float64 rows). A single pair has nothing to be told apart from and scores 0.

    Raises
    ------
    ValueError
        If `first` and `second` are not two matrices of one shape.

    References
    ----------
    Chen, Kornblith, Norouzi, Hinton, "A Simple Framework for Contrastive Learning of
    Visual Representations", 2020, arXiv:2002.05709, equation 1.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.losses import paired_contrast
    >>> rows = torch.eye(8)
    >>> round(paired_contrast(rows, rows, 0.5).item(), 4)  # -2 + log(e^2 + 14)
    1.0629
    """
    if first.ndim != 2 or first.shape != second.shape:
        raise ValueError(
            "first and second must be two matrices of one shape, got shapes "
            f"{tuple(first.shape)} and {tuple(second.shape)}."
        )
    rows = at_least_float32(torch.cat([first, second]))  # (2 * n_rows, dim)
    with torch.autocast(device_type=rows.device.type, enabled=False):
        similarity = rows @ rows.T / temperature  # (2 * n_rows, 2 * n_rows)
    similarity.fill_diagonal_(-torch.inf)
    partner = torch.arange(len(rows), device=rows.device).roll(len(first))
    return functional.cross_entropy(similarity, partner)


def at_least_float32(tensor: Tensor) -> Tensor:
    """Widen half precision and integers to float32; leave float64 as it is."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def check_temperature(temperature: float) -> float:
    """Return the temperature if it can divide similarities, else say why not."""
    if not temperature > 0:
        raise ValueError(f"temperature must be greater than 0, got {temperature!r}.")
    return temperature

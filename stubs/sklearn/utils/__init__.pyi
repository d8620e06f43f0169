from typing import Any

from numpy.random import RandomState

class InputTags:
    one_d_array: bool
    two_d_array: bool
    three_d_array: bool
    sparse: bool
    categorical: bool
    string: bool
    dict: bool
    positive_only: bool
    allow_nan: bool
    pairwise: bool

class TransformerTags:
    preserves_dtype: list[str]

class Tags:
    estimator_type: str | None
    # None for other estimators than transformers, which have no business with it.
    transformer_tags: TransformerTags
    input_tags: InputTags
    no_validation: bool
    non_deterministic: bool
    requires_fit: bool

def check_random_state(seed: Any) -> RandomState: ...
def __getattr__(name: str) -> Any: ...

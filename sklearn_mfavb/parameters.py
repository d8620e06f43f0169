"""Groups of rarely used parameters, as small objects inside an estimator."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from sklearn.base import BaseEstimator


class ParameterGroup(BaseEstimator):
    """Base of small objects that hold parameters and nothing else.

    Like any scikit-learn estimator they have `get_params` and `set_params`, so that
    `clone`, ``repr`` and `GridSearchCV` (``training__learning_rate``) reach them.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {}


class GroupedParameters(BaseEstimator):
    """Base of estimators some of whose parameters are a `ParameterGroup`.

    A group is None by default, which stands for the group's own defaults, or has a
    short form, such as a string. Setting ``group__parameter`` first replaces either by
    a group.

    Examples
    --------
    >>> from sklearn_mfavb import MFAVBClustering
    >>> clusterer = MFAVBClustering(3).set_params(training__learning_rate=0.01)
    >>> clusterer.training
    Training(learning_rate=0.01)
    """

    _groups: ClassVar[Mapping[str, Callable[[], ParameterGroup]]] = {}
    # What makes a group from its short form.
    _short_forms: ClassVar[Mapping[str, Callable[[Any], ParameterGroup]]] = {}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters.

        Parameters
        ----------
        deep : bool, default=True
            Whether to list the parameters of nested objects too.

        Returns
        -------
        dict of str to object
        """
        params = super().get_params(deep=deep)
        if deep:
            for name in self._groups:
                nested = self._group(name).get_params()
                params.update(
                    {f"{name}__{key}": value for key, value in nested.items()}
                )
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters, also those of nested objects: ``group__parameter``.

        Parameters
        ----------
        **params : dict
            Parameters by name.

        Returns
        -------
        self : object
        """
        nested = {key.partition("__")[0] for key in params if "__" in key}
        for name in nested & set(self._get_param_names()):
            value = params.get(name, getattr(self, name))
            if value is None and name in self._groups:
                params[name] = self._groups[name]()
            elif name in self._short_forms and not isinstance(value, ParameterGroup):
                params[name] = self._short_forms[name](value)
        return super().set_params(**params)

    def _group(self, name: str) -> Any:
        """Return a group of parameters, or its defaults where it is None."""
        group = getattr(self, name)
        return group if isinstance(group, BaseEstimator) else self._groups[name]()

    def _validate_params(self) -> None:
        """Validate the parameters, those of the groups included."""
        super()._validate_params()
        for value in self.get_params(deep=False).values():
            if isinstance(value, ParameterGroup):
                value._validate_params()

"""What goes wrong in ways of its own."""

__all__ = ["LoadError"]


class LoadError(ValueError):
    """A file holds no estimator that may be loaded: it is damaged, or not to be trusted.

    See Also
    --------
    sklearn_ae.load : Raises it.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import sklearn_ae
    >>> from sklearn_ae.exceptions import LoadError
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "model.skae").write_bytes(b"no model")
    ...     try:
    ...         sklearn_ae.load(Path(folder, "model.skae"))
    ...     except LoadError:
    ...         print("not loaded")
    not loaded
    """

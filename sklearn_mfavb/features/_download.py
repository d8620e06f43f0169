"""Weights of tags, by the libraries that know them: one try, one message."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from sklearn_mfavb.features._libraries import Library

# Seconds for the hub to answer before it counts as out of reach.
HUB_TIMEOUT = 10


def download_tower(library: Library, model: str, tag: str) -> nn.Module:
    """Build a tower with the weights of a tag; raise OSError if that fails."""
    failed = f"The weights pretrained={tag!r} of model={model!r} cannot be obtained"
    remedy = "Without a connection, pass the path of a file: pretrained='weights.pt'."
    repository = library.hub_repository(model, tag).partition("@")[0]
    reason = why_out_of_reach(repository) if repository else None
    if reason is not None:
        raise OSError(f"{failed} from {repository} on the hub: {reason}. {remedy}")
    try:
        with _no_logging_to_root():
            return library.download(model, tag)
    # Networks, disks and hubs fail in ways of their own.
    except Exception as error:
        raise OSError(f"{failed}: {error} {remedy}") from error


def why_out_of_reach(repository: str) -> str | None:
    """Return why a repository is neither on this machine nor to be had; None if it is.

    The libraries themselves would try for 47 s, with a warning for every time.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, snapshot_download
    from huggingface_hub.utils import EntryNotFoundError, LocalEntryNotFoundError

    try:
        snapshot_download(repository, local_files_only=True)
        return None
    except (LocalEntryNotFoundError, OSError):
        pass
    try:
        url = hf_hub_url(repository, "config.json")
        get_hf_file_metadata(url, timeout=HUB_TIMEOUT)
        return None
    except EntryNotFoundError:
        return None
    # What a connection that fails raises depends on the version of the hub's library.
    except Exception as error:
        lines = str(error).strip().splitlines()
        return lines[0].rstrip(".") if lines else type(error).__name__


@contextmanager
def _no_logging_to_root() -> Iterator[None]:
    """Keep open_clip from setting up logging for the whole process.

    It logs through the functions of `logging`, which give the root logger a handler if
    it has none; from then on every warning of other libraries is printed twice.
    """
    handler = logging.NullHandler()
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)

"""Files from the internet: checked, and put in place in one step."""

import hashlib
import http.client
import multiprocessing.pool
import urllib.request

from tqdm import tqdm

from .opening import DataError, opened
from .writing import atomic_path

PATIENCE = 15       # seconds until a server that does not answer is given up, all mirrors together


def download(urls, path, md5=None):
    """Fetch the first of `urls` that answers to `path`: checked against `md5`, if given, put in place in one step.

    Raises DataError that says where to get the file by hand, PermissionError if `path` cannot be written.
    """
    reasons = []
    for url in urls:
        try:
            with _answer(url, PATIENCE / len(urls)) as response, atomic_path(path) as part:
                bar = tqdm(desc=path.name, total=response.length, unit="B", unit_scale=True, leave=False,
                           dynamic_ncols=True)
                with part.open("wb") as file, bar:
                    while chunk := response.read(1 << 16):
                        bar.update(file.write(chunk))
                if md5:
                    check_md5(part, md5)
            return
        except PermissionError:
            raise
        except (OSError, http.client.HTTPException, DataError) as error:
            reasons.append(str(getattr(error, "reason", error)))
    raise DataError(f"{path.name} is not in {path.parent} and could not be downloaded ({'; '.join(reasons)}). Get "
                    f"{urls[0]} elsewhere and put it in that folder; 'glyphs' and 'digits' need no download.")


def _answer(url, patience):
    """The open response of `url`. A thread keeps the time, because looking up a host's name has no timeout."""
    with multiprocessing.pool.ThreadPool(1) as pool:
        try:
            return pool.apply_async(urllib.request.urlopen, [url], {"timeout": patience}).get(patience)
        except multiprocessing.TimeoutError:
            raise TimeoutError(f"no answer within {patience:.0f} s") from None


def check_md5(path, md5):
    """Raise DataError unless the file at `path` has this md5."""
    with opened(path, DataError, "Delete it and load again.") as file:
        found = hashlib.file_digest(file, "md5").hexdigest()
    if found != md5:
        raise DataError(f"{path} is truncated or not the published file: md5 {found}, expected {md5}. "
                        f"Delete it and load again.")

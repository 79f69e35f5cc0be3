"""policy: throws out options that no best answer needs, before any solver sees them. What is left has the same best values."""

import numpy as np
import numpy.typing as npt

Marks = npt.NDArray[np.bool_]


def undominated(respects: npt.NDArray[np.float64], groups: npt.NDArray[np.int64], allowed: Marks) -> Marks:
    """Return which of the allowed options to keep: of two in one group of which one is in no respect better, that one goes.

    *respects* is tasks x options x respects, less is better in each; *groups* numbers the keys of every option, which must be equal.
    Of equals the one that stands first stays.
    """
    tasks, width = allowed.shape
    # no_worse[t, a, b]: a is in no respect worse than b, and may stand in for it.
    no_worse = allowed[:, :, None] & allowed[:, None, :] & (groups[:, :, None] == groups[:, None, :])
    for respect in np.moveaxis(respects, 2, 0):
        no_worse &= respect[:, :, None] <= respect[:, None, :]
    earlier = np.arange(width)[:, None] < np.arange(width)[None, :]
    equal = no_worse & no_worse.transpose(0, 2, 1)
    dominated = ((no_worse & ~equal) | (equal & earlier)).any(axis=1)
    return np.asarray(allowed & ~dominated).reshape(tasks, width)

"""Telling a full disk from other errors: it stops a study, and the same command resumes it."""

from __future__ import annotations

import errno


def is_disk_full(error: BaseException) -> bool:
    """Whether `error`, or one that it came from, is the disk saying that it is full (or the file-size limit)."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return True
        if "disk is full" in str(seen) or "No space left on device" in str(seen):
            return True
        seen = seen.__cause__ or seen.__context__
    return False

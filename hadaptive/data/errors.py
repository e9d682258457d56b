"""The error of this package."""

from __future__ import annotations

from hadaptive.errors import UserError


class DataError(UserError, RuntimeError):
    """A data set is missing, damaged or unreadable. The message names the thing and the remedy."""

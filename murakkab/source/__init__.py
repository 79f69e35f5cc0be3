"""policy: a workflow as the text of a Python module that declares it."""

from murakkab.source.module import to_python

__all__ = ["to_python"]

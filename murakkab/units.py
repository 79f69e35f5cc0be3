"""data: quantities as distinct types, so that seconds are never added to joules."""

from typing import NewType

Seconds = NewType("Seconds", float)
Joules = NewType("Joules", float)
Watts = NewType("Watts", float)
Tokens = NewType("Tokens", int)
Usd = NewType("Usd", float)

"""policy: profiles as the text of a file that people share, and back. Reading checks: a file may come from anywhere."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from murakkab.errors import InputError
from murakkab.profiles import Profile
from murakkab.profiling.codec import profile_from, profile_json

#: The form of a file of profiles.
_FORM: Final = "murakkab-profiles-1"
#: More digits say nothing of what varies by some percent.
_DIGITS: Final = 5
_NOTHING: Final[Mapping[str, Any]] = {}


def shared_text(profiles: Sequence[Profile], about: Mapping[str, Any] = _NOTHING) -> str:
    """Return the text of a file with *profiles*, a line each; *about*: how they came to be, for people."""
    lines = ",\n".join(f"  {json.dumps(_rounded(profile_json(one)), ensure_ascii=False)}" for one in profiles)
    return f'{{"form": "{_FORM}", "about": {json.dumps(dict(about), ensure_ascii=False)}, "profiles": [\n{lines}\n]}}\n'


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, Mapping):
        return {name: one if name == "knobs" else _rounded(one) for name, one in value.items()}
    return value


def profiles_in(text: str, file: str) -> list[Profile]:
    """Return the profiles in the text of *file*. Raises `InputError` that says what is wrong with it."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file} is no file of profiles: {error}") from None
    if not isinstance(data, dict) or data.get("form") != _FORM or not isinstance(data.get("profiles"), list):
        raise InputError(f"{file} is no file of profiles", hint="murakkab profile --export FILE writes one")
    found = []
    for number, one in enumerate(data["profiles"], 1):
        try:
            found.append(profile_from(one))
        except InputError as error:
            raise InputError(f"{file}, profile {number}: {error.message}", hint=error.hint) from None
    return found

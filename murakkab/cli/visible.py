"""policy: text from outside - messages of exceptions, values, questions - so that it can be shown anywhere: on a terminal, as JSON."""

import json
import re
from typing import Any, Final

#: What moves the cursor, hides or turns round what is read, and halves of characters: shown by its number. Lines may end.
_UNSEEN: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")

#: The control characters and halves of characters that JSON does not escape.
_UNSEEN_IN_JSON: Final = re.compile("[\x7f-\x9f\ud800-\udfff]")


def visible(text: str) -> str:
    r"""Return foreign *text* with what would not be seen, or would do something to a terminal, escaped as in Python: `\x1b`, `\udcff`."""
    return _UNSEEN.sub(lambda found: ascii(found[0])[1:-1], text)


def json_text(data: Any, encoding: str | None = None, *, indent: int | None = 2) -> str:
    """Return *data* as JSON and a new line: what *encoding* cannot hold, or would move the cursor, is written by its number."""
    text = _UNSEEN_IN_JSON.sub(_escaped, json.dumps(data, indent=indent, ensure_ascii=False, default=str))
    try:
        text.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(data, indent=indent, default=str)
    return f"{text}\n"


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"

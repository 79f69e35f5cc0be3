"""The JSON Schema that editors use is the one that ships, and it accepts the workflows that ship."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from murakkab.document import json_schema

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted(str(file.relative_to(ROOT)) for folder in ("workflows", "examples") for file in (ROOT / folder).glob("*.yaml"))


def test_the_published_schema_is_that_of_the_code(root: Path) -> None:
    """When this fails: murakkab schema > workflows/workflow.schema.json."""
    assert json.loads((root / "workflows" / "workflow.schema.json").read_text()) == json_schema()


@pytest.mark.parametrize("name", WORKFLOWS)
def test_shipped_workflows_fit_the_schema(name: str, root: Path) -> None:
    text = (root / name).read_text()
    assert text.startswith("# yaml-language-server: $schema=")
    document = yaml.safe_load(text)
    jsonschema.validate(document, json_schema())
    document.setdefault("steps", {})["extra"] = {"usess": "shell"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, json_schema())

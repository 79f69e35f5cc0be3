"""policy: a workflow as JSON data and back, its digest, and the schema of that data. One form for YAML files, REST and the journal."""

from murakkab.document.defaults import with_defaults
from murakkab.document.profile import with_profile
from murakkab.document.read import Read, from_document, limit_from
from murakkab.document.schema import json_schema
from murakkab.document.write import digest, to_document

__all__ = ["Read", "digest", "from_document", "json_schema", "limit_from", "to_document", "with_defaults", "with_profile"]

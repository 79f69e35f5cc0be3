"""policy: a workflow as the text of a Python module that declares it."""

"""policy: once per workflow - check it against the catalog, compile it to a task graph, rewrite that."""

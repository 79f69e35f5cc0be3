"""driver: measuring executors and workflows on this machine, through the runtime that does real work."""

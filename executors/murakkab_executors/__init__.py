"""data: executors, one file per family. `EXECUTORS` of a family's module is what it ships; nothing is imported until it is asked for."""

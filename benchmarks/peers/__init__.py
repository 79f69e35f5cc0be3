"""data: other orchestrators on the same cases; each module here runs in the environment of the one it is named after."""

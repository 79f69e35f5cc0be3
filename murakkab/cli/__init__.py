"""driver: the command line. `murakkab.cli.app` has the commands; nothing heavy is imported before one of them runs."""

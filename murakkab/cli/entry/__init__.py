"""driver: the commands by what they are about - their options and their help, which teaches by examples."""

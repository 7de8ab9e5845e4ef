"""A page to play on: the commands that make takes, for people who do not open a terminal."""

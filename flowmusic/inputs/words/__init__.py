"""A person's words, read for facts: a word list, the nearest meaning for what it does not hold, and the language."""

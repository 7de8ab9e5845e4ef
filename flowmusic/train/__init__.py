"""Training: thin Lightning shells around modules that work without them."""

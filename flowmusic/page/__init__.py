"""The page to play on: what ``flowmusic app`` opens in a browser."""

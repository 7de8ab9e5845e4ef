"""What ``flowmusic build`` is made of: settings, the per-clip function, and the page that sums a folder up."""

"""What ``flowmusic evaluate`` is made of: settings, test sets, conditions, takes, scores, report and listening page."""

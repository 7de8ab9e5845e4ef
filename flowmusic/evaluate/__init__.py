"""What `flowmusic evaluate` is made of: settings, test clips, systems, scores, report and listening page."""

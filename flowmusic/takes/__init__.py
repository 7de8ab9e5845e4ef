"""Takes as files: made, judged, chosen among, written with their record and latents, and read back as a source."""

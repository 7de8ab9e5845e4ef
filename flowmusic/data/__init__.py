"""Training data: corpus folders, waveform crops, precomputed latents and controls, Lightning data modules."""

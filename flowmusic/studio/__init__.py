"""What a digital audio workstation is given beside samples: chunks of WAV files, tags, names, parts and provenance."""

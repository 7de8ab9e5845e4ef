"""Codecs: audio to continuous, normalised latents and back (the ``Codec`` protocol of ``flowmusic.types``)."""

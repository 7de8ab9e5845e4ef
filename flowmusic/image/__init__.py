"""A picture as words and settings for music, by a mapping that docs/images.md shows."""

from flowmusic.image.settings import PictureSettings, to_settings

__all__ = ["PictureSettings", "to_settings"]

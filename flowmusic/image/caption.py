"""What a picture shows, in words of a caption model whose folder is at hand; nothing is fetched for it."""

from __future__ import annotations

from pathlib import Path

from flowmusic import plain
from flowmusic.image.read import ImageError, Picture
from flowmusic.plain import shown

MOST_WORDS, MOST_TOKENS = 30, 40
NEEDED = ("config.json", "preprocessor_config.json", "model.safetensors")


def caption_of(picture: Picture, folder: Path) -> str:
    """A caption of at most :data:`MOST_WORDS` words; empty where the model says nothing.

    Args:
        folder: an image-to-text model of transformers with safetensors weights: no code of the folder is run, and no
            pickle is read.

    Raises: ImageError for a folder that holds no such model.
    """
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing:
        raise ImageError(
            f"{shown(folder)} holds no caption model ({missing[0]} is missing); give the folder of an image-to-text "
            "model of transformers, or leave --caption-model out"
        )
    import numpy as np
    import torch
    from PIL import Image
    from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer, utils

    utils.logging.disable_progress_bar()
    try:
        trusted = {"local_files_only": True, "trust_remote_code": False}
        processor = AutoImageProcessor.from_pretrained(folder, **trusted)
        tokenizer = AutoTokenizer.from_pretrained(folder, **trusted)
        model = AutoModelForImageTextToText.from_pretrained(folder, use_safetensors=True, **trusted).eval()
        image = Image.fromarray((255.0 * picture.colours).round().astype(np.uint8))
        pixels = processor(images=image, return_tensors="pt").pixel_values
        with torch.no_grad():
            ids = model.generate(pixel_values=pixels, max_new_tokens=MOST_TOKENS, do_sample=False, num_beams=1)
        text = tokenizer.batch_decode(ids, skip_special_tokens=True)[0]
    except Exception as error:  # whatever a foreign folder makes of transformers
        raise ImageError(f"the caption model in {shown(folder)} cannot be used ({plain.reason(error)})") from None
    words = "".join(letter if letter.isprintable() else " " for letter in text).split()
    return " ".join(words[:MOST_WORDS])

"""Pictures inside a page."""

import base64

import cv2
import numpy as np

_QUALITY = 80


def embed_jpeg(picture: np.ndarray, *, width: int) -> str:
    """A picture as the `src` of an image: a JPEG in base64.

    Args:
        picture: uint8 [H, W, 3], RGB.
        width: of the JPEG, in pixels.
    """
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    data = cv2.imencode('.jpg', picture[..., ::-1], options)[1].tobytes()
    return f'data:image/jpeg;base64,{base64.b64encode(data).decode()}'

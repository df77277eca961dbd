import numpy as np
from PIL import Image

from training import smoke


def test_file_in_the_application_is_what_is_made_here():
    """Versions of OpenCV may differ by a grey level or two along an edge."""
    kept = np.asarray(Image.open(smoke.FILE), np.int16)
    assert kept.shape == (28, 280)
    assert np.abs(kept - smoke.make()).max() <= 24
    assert (kept == smoke.make()).mean() > 0.98

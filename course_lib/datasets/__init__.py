"""Any dataset by name, as one type: classes of drawings, 28x28, ink bright on dark.

    load("glyphs")                              # embedded: made on the spot by the handwriting simulator
    load("digits")                              # embedded: 1,797 real digits that scikit-learn ships
    load("omniglot-small1", split="train")      # real: found in $COURSE_DATA, else downloaded
    load("folder:~/pictures")                   # yours: one subfolder per class
"""

from .classes import DataError, ImageClasses
from .loading import DATASETS, FOLDER, cache_folder, data_root, is_here, known_name, load, short_name

__all__ = ["DATASETS", "FOLDER", "DataError", "ImageClasses", "cache_folder", "data_root", "is_here", "known_name",
           "load", "short_name"]

"""What pictures show: bytes from disk or, safely, the web; decoded in a limited process; worded by a model."""

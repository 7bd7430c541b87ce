import numpy as np
from numpy.typing import NDArray

class csr_matrix:
    def __init__(
        self,
        arg1: tuple[NDArray[np.float32], tuple[NDArray[np.int64], NDArray[np.int64]]],
        *,
        shape: tuple[int, int],
    ) -> None: ...

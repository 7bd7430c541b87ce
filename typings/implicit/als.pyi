import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

class AlternatingLeastSquares:
    def __init__(
        self,
        *,
        factors: int,
        regularization: float,
        iterations: int,
        num_threads: int,
        random_state: int,
    ) -> None: ...
    def fit(self, user_items: csr_matrix, *, show_progress: bool) -> None: ...
    def recommend(
        self, userid: NDArray[np.int64], user_items: csr_matrix, *, N: int
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]: ...

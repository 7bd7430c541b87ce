import numpy as np
from numpy.typing import NDArray

METRIC_INNER_PRODUCT: int

def omp_set_num_threads(num_threads: int) -> None: ...

class ClusteringParameters:
    max_points_per_centroid: int
    min_points_per_centroid: int
    niter: int

class IndexFlatIP:
    def __init__(self, d: int) -> None: ...

class IDSelectorBitmap:
    def __init__(self, bitmap: NDArray[np.uint8]) -> None: ...

class SearchParametersIVF:
    def __init__(self, *, sel: IDSelectorBitmap, nprobe: int) -> None: ...

class IndexIVFFlat:
    cp: ClusteringParameters
    nprobe: int
    def __init__(self, quantizer: IndexFlatIP, d: int, nlist: int, metric: int) -> None: ...
    def train(self, x: NDArray[np.float32]) -> None: ...
    def add(self, x: NDArray[np.float32]) -> None: ...
    def search(
        self, x: NDArray[np.float32], k: int, *, params: SearchParametersIVF | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]: ...

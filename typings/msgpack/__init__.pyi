from collections.abc import Iterator

class UnpackException(Exception): ...

class Unpacker:
    def __init__(
        self,
        *,
        use_list: bool = ...,
        read_size: int = ...,
        max_buffer_size: int = ...,
        max_str_len: int = ...,
        max_bin_len: int = ...,
        max_array_len: int = ...,
        max_map_len: int = ...,
        max_ext_len: int = ...,
    ) -> None: ...
    def feed(self, next_bytes: bytes) -> None: ...
    def __iter__(self) -> Iterator[object]: ...

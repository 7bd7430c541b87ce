from collections.abc import Mapping
from ssl import SSLContext

from aiokafka import TopicPartition

class NewTopic:
    def __init__(
        self,
        name: str,
        num_partitions: int,
        replication_factor: int,
        replica_assignments: object = None,
        topic_configs: Mapping[str, str] | None = None,
    ) -> None: ...

class RecordsToDelete:
    def __init__(self, before_offset: int) -> None: ...

class CreateTopicsResponse:
    topic_errors: list[tuple[str, int, str | None]]

class DescribeGroupsResponse:
    # Code, id, state, three more, members, what they may do.
    groups: list[tuple[int, str, str, str, str, list[object], *tuple[object, ...]]]

class AIOKafkaAdminClient:
    def __init__(
        self,
        *,
        bootstrap_servers: str | list[str] = ...,
        client_id: str = ...,
        request_timeout_ms: int = ...,
        security_protocol: str = ...,
        ssl_context: SSLContext | None = ...,
        sasl_mechanism: str = ...,
        sasl_plain_username: str | None = ...,
        sasl_plain_password: str | None = ...,
    ) -> None: ...
    async def start(self) -> None: ...
    async def close(self) -> None: ...
    async def create_topics(self, new_topics: list[NewTopic]) -> CreateTopicsResponse: ...
    async def delete_topics(self, topics: list[str]) -> object: ...
    async def delete_records(
        self, records_to_delete: Mapping[TopicPartition, RecordsToDelete]
    ) -> dict[TopicPartition, int]: ...
    async def describe_cluster(self) -> dict[str, list[object]]: ...
    async def describe_consumer_groups(
        self, group_ids: list[str]
    ) -> list[DescribeGroupsResponse]: ...
    async def list_topics(self) -> list[str]: ...

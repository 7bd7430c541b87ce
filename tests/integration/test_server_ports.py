"""Who can be reached from other machines: nobody, but for a locked door of each gateway.

That it stays so when HAProxy begins anew is seen where it is killed, in ``test_server_nemesis``.
"""

from tests.integration.cluster import Cluster
from tests.integration.doors import check_doors


def test_all_doors_but_a_locked_one_are_on_loopback(cluster: Cluster) -> None:
    cluster.wait_until_ready()
    check_doors(cluster)


def test_only_the_servers_user_reaches_haproxys_files(cluster: Cluster) -> None:
    cluster.wait_until_ready()
    assert cluster.folder.stat().st_mode & 0o777 == 0o700
    (admin,) = cluster.folder.glob("h/*/admin.sock")
    assert admin.stat().st_mode & 0o777 == 0o600

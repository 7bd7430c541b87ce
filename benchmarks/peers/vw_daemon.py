"""What ``vw --daemon`` does, around the Python binding: lines of text in, a prediction a line out.

Debian has no package of Vowpal Wabbit any more, and the ``--daemon`` of the wheel's own command
line hangs up on whoever connects. So this is a socket server around the same library: one
connection at a time; a line with a label is learned; an empty line asks for all answers.
"""

import socketserver
import sys
from typing import Protocol, cast

from typing_extensions import override
from vowpalwabbit import Workspace

__all__ = ["main"]


class _Model(Protocol):
    """What the binding does with a line."""

    def parse(self, str_ex: str) -> object: ...

    def learn(self, ec: object) -> None: ...

    def predict(self, ec: object) -> float: ...

    def finish_example(self, ex: object) -> None: ...


def main(port: int, options: str) -> None:
    """Listen on loopback."""
    model = cast("_Model", Workspace(options))

    class Lines(socketserver.StreamRequestHandler):
        @override
        def handle(self) -> None:
            waiting = list[str]()
            for line in self.rfile:
                # As many lines come in one write as are answered in one.
                if text := line.decode().rstrip("\n"):
                    waiting.append(text)
                    continue
                answers = [_answer(model, one) for one in waiting]
                waiting.clear()
                self.wfile.write("".join(f"{answer:.6f}\n" for answer in answers).encode())

    with socketserver.TCPServer(("127.0.0.1", port), Lines) as server:
        server.serve_forever()


def _answer(model: _Model, text: str) -> float:
    example = model.parse(text)
    if text.startswith("|"):
        found = float(model.predict(example))
    else:
        model.learn(example)
        found = 0.0
    model.finish_example(example)
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])

"""A unix socket that takes descriptors, and a terminal's master that is read with patience."""
import array
import os
import select
import socket
import threading
import time


class Listener:
    """A unix socket that takes one message with descriptors."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen(1)
        self.socket.settimeout(20)
        self.text, self.fds = None, []
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        peer, _ = self.socket.accept()
        text, ancillary, _, _ = peer.recvmsg(65536, socket.CMSG_SPACE(64))
        for _, _, data in ancillary:
            self.fds += array.array("i", data[:len(data) - len(data) % 4])
        self.text = text.decode()
        peer.close()

    def wait(self):
        self.thread.join(20)
        self.socket.close()
        assert self.fds
        return self.fds[0]

    @staticmethod
    def read_until(fd, word, seconds=10):
        text, end = "", time.monotonic() + seconds
        while word not in text and time.monotonic() < end:
            if not select.select([fd], [], [], 0.2)[0]:
                continue
            try:
                text += os.read(fd, 4096).decode()
            except OSError:
                break
        return text
